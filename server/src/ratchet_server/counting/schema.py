"""The tables of a node's database, and the settings of every connection to it."""

from typing import Final

# Marks the file as Ratchet's ("rtch"). `VERSION` is the version of its tables.
APPLICATION_ID: Final = 0x72746368
VERSION: Final = 1

# SQLite writes this setting into the file, so run it only after the check that the file is ours.
JOURNAL: Final = "PRAGMA journal_mode = WAL"
CONNECTION: Final = (
    # FULL: when a commit returns, it is on the disk, not just in the system's cache.
    "PRAGMA synchronous = FULL",
    # Without this, a commit on macOS may stay in the disk's own cache. Elsewhere it has no effect.
    "PRAGMA fullfsync = ON",
    "PRAGMA busy_timeout = 5000",
    "PRAGMA trusted_schema = OFF",
    "PRAGMA cell_size_check = ON",
    "PRAGMA foreign_keys = ON",
)

# The stored names of the maps of `Changes`, in its order: newest, closed, folded, lifted_views. The
# first and the last have other names here, because existing files have them.
KINDS: Final = ("heard", "closed", "folded", "lifted")

# Without STRICT and CHECK, SQLite silently stores 2**63 as a float. `crc` is a checksum that `load`
# checks: if a flipped bit made a number larger, the number would spread to every node for good.
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
# Adds views of a slot to the base: those of some videos if `which` is `IN_LIST`, or all that are
# left if `which` is empty. `DROP_ROWS` then deletes the same rows.
LIFT: Final = """
    INSERT INTO base (video, views, crc)
    SELECT video, views, crc(video, views) FROM rows WHERE slot = ?1 {which}
    ON CONFLICT (video) DO UPDATE
    SET views = min(views + excluded.views, 9007199254740991),
        crc = crc(video, min(views + excluded.views, 9007199254740991))"""
DROP_ROWS: Final = "DELETE FROM rows WHERE slot = ?1 {which}"
IN_LIST: Final = "AND video IN (SELECT value FROM json_each(?2))"
DROP_SLOT: Final = "DELETE FROM slots WHERE id = ?1"
PUT_BASE: Final = """
    INSERT INTO base (video, views, crc) VALUES (?1, ?2, crc(?1, ?2))
    ON CONFLICT (video) DO UPDATE SET views = excluded.views, crc = excluded.crc
    WHERE excluded.views > views"""
PUT_GENERATION: Final = """
    INSERT INTO generations (kind, node, generation, crc) VALUES (?1, ?2, ?3, crc(?1, ?2, ?3))
    ON CONFLICT (kind, node) DO UPDATE SET generation = excluded.generation, crc = excluded.crc
    WHERE excluded.generation > generation"""

# What `load` reads. The last column is 1 if the row matches its checksum.
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
# Drop at most 2,000 keys at a time, so that no commit waits for a long clean-up.
DROP_KEYS: Final = """
    DELETE FROM keys WHERE key IN
        (SELECT key FROM keys WHERE expires_s <= ?1 ORDER BY expires_s LIMIT 2000)"""
