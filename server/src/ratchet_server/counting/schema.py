"""The tables of a node's database, and the settings of every connection to it."""

from typing import Final

# Marks the file as Ratchet's ("rtch"). `VERSION` is the version of its tables.
APPLICATION_ID: Final = 0x72746368
VERSION: Final = 1

# SQLite writes this setting into the file, so use it only once the file is known to be ours.
JOURNAL: Final = "PRAGMA journal_mode = WAL"
# With this as the first setting, the index of the log is in memory.
EXCLUSIVE: Final = "PRAGMA locking_mode = EXCLUSIVE"
CONNECTION: Final = (
    # FULL: a commit is on the disk, not in the system's cache, when it returns.
    "PRAGMA synchronous = FULL",
    # On macOS only this makes a commit reach the disk itself. Elsewhere it does nothing.
    "PRAGMA fullfsync = ON",
    # How long a transaction waits for another program's lock. Meanwhile the node sends nothing to
    # its peers, and they drop a connection that is silent for six seconds.
    "PRAGMA busy_timeout = 2000",
    # While a program reads for long, the log grows. Afterwards it is cut to this size.
    "PRAGMA journal_size_limit = 16777216",
    # A full disk has no room to sort a large slot when the node starts.
    "PRAGMA temp_store = MEMORY",
    "PRAGMA trusted_schema = OFF",
    "PRAGMA cell_size_check = ON",
    "PRAGMA foreign_keys = ON",
)

# The maps of `Changes`, in its order: newest, closed, folded, lifted_views. The first and the last
# keep the names that files of earlier versions have.
KINDS: Final = ("heard", "closed", "folded", "lifted")

# Without STRICT and CHECK, 2**63 silently turns into a float. `load` checks `crc`: a flipped bit
# that makes a number larger would spread to every node and stay for ever.
_COUNT: Final = "INTEGER NOT NULL CHECK ({0} BETWEEN 0 AND 9007199254740991)"
TABLES: Final = (
    f"""CREATE TABLE slots (
        id INTEGER PRIMARY KEY,
        node TEXT NOT NULL,
        generation {_COUNT.format("generation")},
        upto {_COUNT.format("upto")},
        crc INTEGER NOT NULL,
        UNIQUE (node, generation)
    ) STRICT""",
    f"""CREATE TABLE rows (
        slot INTEGER NOT NULL REFERENCES slots (id),
        video TEXT NOT NULL,
        views {_COUNT.format("views")},
        seq {_COUNT.format("seq")},
        crc INTEGER NOT NULL,
        PRIMARY KEY (slot, video)
    ) STRICT, WITHOUT ROWID""",
    f"""CREATE TABLE base (
        video TEXT PRIMARY KEY,
        views {_COUNT.format("views")},
        crc INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID""",
    # One entry for each node name and map. `KINDS` are the maps.
    f"""CREATE TABLE generations (
        kind TEXT NOT NULL,
        node TEXT NOT NULL,
        generation {_COUNT.format("generation")},
        crc INTEGER NOT NULL,
        PRIMARY KEY (kind, node)
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE keys (
        key TEXT PRIMARY KEY,
        video TEXT NOT NULL,
        expires_s INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID""",
    "CREATE INDEX keys_by_expiry ON keys (expires_s)",
)

PUT_SLOT: Final = """
    INSERT INTO slots (node, generation, upto, crc) VALUES (?1, ?2, ?3, crc(?1, ?2, ?3))
    ON CONFLICT (node, generation) DO UPDATE SET upto = excluded.upto, crc = excluded.crc
    WHERE excluded.upto > upto"""
SLOT_ID: Final = "SELECT id FROM slots WHERE node = ?1 AND generation = ?2"
PUT_ROW: Final = """
    INSERT INTO rows (slot, video, views, seq, crc) VALUES (?1, ?2, ?3, ?4, crc(?1, ?2, ?3, ?4))
    ON CONFLICT (slot, video) DO UPDATE
    SET views = excluded.views, seq = excluded.seq, crc = excluded.crc
    WHERE excluded.views > views"""
# Lifts the videos that `which` selects (`SOME`); with an empty `which`, the rest of the slot.
LIFT: Final = """
    INSERT INTO base (video, views, crc)
    SELECT video, views, crc(video, views) FROM rows WHERE slot = ?1 {which}
    ON CONFLICT (video) DO UPDATE
    SET views = min(views + excluded.views, 9007199254740991),
        crc = crc(video, min(views + excluded.views, 9007199254740991))"""
DROP_ROWS: Final = "DELETE FROM rows WHERE slot = ?1 {which}"
SOME: Final = "AND video IN (SELECT value FROM json_each(?2))"
DROP_SLOT: Final = "DELETE FROM slots WHERE id = ?1"
PUT_BASE: Final = """
    INSERT INTO base (video, views, crc) VALUES (?1, ?2, crc(?1, ?2))
    ON CONFLICT (video) DO UPDATE SET views = excluded.views, crc = excluded.crc
    WHERE excluded.views > views"""
PUT_GENERATION: Final = """
    INSERT INTO generations (kind, node, generation, crc) VALUES (?1, ?2, ?3, crc(?1, ?2, ?3))
    ON CONFLICT (kind, node) DO UPDATE SET generation = excluded.generation, crc = excluded.crc
    WHERE excluded.generation > generation"""

# What `load` reads. The last column says whether a row passes its checksum.
SLOTS: Final = "SELECT id, node, generation, upto, crc = crc(node, generation, upto) FROM slots"
ROWS: Final = """
    SELECT video, views, seq, crc = crc(slot, video, views, seq) FROM rows
    WHERE slot = ?1 ORDER BY seq"""
BASE: Final = "SELECT video, views, crc = crc(video, views) FROM base"
GENERATIONS: Final = (
    "SELECT kind, node, generation, crc = crc(kind, node, generation) FROM generations"
)

KNOWN_KEYS: Final = """
    SELECT key, video FROM keys
    WHERE key IN (SELECT value FROM json_each(?1)) AND expires_s > ?2"""
PUT_KEY: Final = "INSERT OR REPLACE INTO keys (key, video, expires_s) VALUES (?1, ?2, ?3)"
# Drop some keys at a time, so that no commit waits for a long clean-up.
DROP_KEYS: Final = """
    DELETE FROM keys WHERE key IN
        (SELECT key FROM keys WHERE expires_s <= ?1 ORDER BY expires_s LIMIT 2000)"""
