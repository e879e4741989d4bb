"""The tables of a node's database, and the settings of every connection to it."""

import re
from typing import Final, NamedTuple

# Marks the file as Ratchet's ("rtch"). `VERSION` is the version of its tables.
APPLICATION_ID: Final = 0x72746368
#
# 1: without `sums`, and without what `slots` says of its rows. Such a file is read, and replaced by
#    a new one.
# 2: as 3, and without a floor: no map has an entry for all names that it does not list.
VERSION: Final = 3
# The oldest version with these tables.
SAME_TABLES: Final = 2


def _summed(table: str, sums: str, where: str) -> tuple[str, ...]:
    """The triggers that keep the sum of `table` in the row of `sums` that `where` selects."""
    new, old = where.format("new"), where.format("old")
    return (
        f"CREATE TRIGGER {table}_insert AFTER INSERT ON {table} BEGIN UPDATE {sums} "
        f"SET entries = entries + 1, crcs = crcs + new.crc WHERE {new}; END",
        f"CREATE TRIGGER {table}_update AFTER UPDATE OF crc ON {table} BEGIN UPDATE {sums} "
        f"SET crcs = crcs + new.crc - old.crc WHERE {new}; END",
        f"CREATE TRIGGER {table}_delete AFTER DELETE ON {table} BEGIN UPDATE {sums} "
        f"SET entries = entries - 1, crcs = crcs - old.crc WHERE {old}; END",
    )


# SQLite writes this setting into the file, so run it only after the check that the file is ours.
JOURNAL: Final = "PRAGMA journal_mode = WAL"
# With this as the first setting, the index of the log is in memory.
EXCLUSIVE: Final = "PRAGMA locking_mode = EXCLUSIVE"
CONNECTION: Final = (
    # FULL: when a commit returns, it is on the disk, not just in the system's cache.
    "PRAGMA synchronous = FULL",
    # Without this, a commit on macOS may stay in the disk's own cache. Elsewhere it has no effect.
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

# The stored names of the maps of `Changes`, in its order: newest, closed, folded, lifted_views. The
# first and the last have other names here, because existing files have them.
KINDS: Final = ("heard", "closed", "folded", "lifted")

# Without STRICT and CHECK, SQLite silently stores 2**63 as a float. `crc` is a checksum that `load`
# checks: if a flipped bit made a number larger, the number would spread to every node for good.
#
# Rows that are missing have no `crc` that fails. So each slot has the number of its rows and the
# sum of their `crc`, and `sums` has the same for the other tables. Triggers keep both: they follow
# whatever a statement does, and cost less than a second statement for each row.
_COUNT: Final = "INTEGER NOT NULL CHECK ({0} BETWEEN 0 AND 9007199254740991)"
TABLES: Final = (
    f"""CREATE TABLE slots (
        id INTEGER PRIMARY KEY,
        node TEXT NOT NULL,
        generation {_COUNT.format("generation")},
        upto {_COUNT.format("upto")},
        crc INTEGER NOT NULL,
        entries INTEGER NOT NULL DEFAULT 0,
        crcs INTEGER NOT NULL DEFAULT 0,
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
    # One entry for each node name that a map lists, and for its floor. `KINDS` are the maps.
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
    """CREATE TABLE sums (
        name TEXT PRIMARY KEY,
        entries INTEGER NOT NULL,
        crcs INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID""",
    "INSERT INTO sums (name, entries, crcs) VALUES ('slots', 0, 0), ('base', 0, 0), "
    "('generations', 0, 0)",
    *_summed("rows", "slots", "id = {0}.slot"),
    *_summed("base", "sums", "name = 'base'"),
    *_summed("generations", "sums", "name = 'generations'"),
    # Only their number, and no `crcs`: each commit changes `upto`, and would write one page more.
    "CREATE TRIGGER slots_insert AFTER INSERT ON slots "
    "BEGIN UPDATE sums SET entries = entries + 1 WHERE name = 'slots'; END",
    "CREATE TRIGGER slots_delete AFTER DELETE ON slots "
    "BEGIN UPDATE sums SET entries = entries - 1 WHERE name = 'slots'; END",
)
# These came later, each group with a release: a file of version 2 without them gets them when it is
# opened, and an earlier program ignores them.
#
# The ids of the cluster, as `id`; `settled`, with an empty value, if it is; and `first-day`.
_CLUSTER: Final = (
    """CREATE TABLE cluster (
        kind TEXT NOT NULL,
        value TEXT NOT NULL,
        crc INTEGER NOT NULL,
        PRIMARY KEY (kind, value)
    ) STRICT, WITHOUT ROWID""",
    "INSERT INTO sums (name, entries, crcs) VALUES ('cluster', 0, 0)",
    *_summed("cluster", "sums", "name = 'cluster'"),
)
# The base by day. A day is a number of days since 1970, UTC.
_DAYS: Final = (
    f"""CREATE TABLE days (
        day INTEGER NOT NULL,
        video TEXT NOT NULL,
        views {_COUNT.format("views")},
        crc INTEGER NOT NULL,
        PRIMARY KEY (day, video)
    ) STRICT, WITHOUT ROWID""",
    "INSERT INTO sums (name, entries, crcs) VALUES ('days', 0, 0)",
    *_summed("days", "sums", "name = 'days'"),
    # What an earlier program has counted in one slot may be of many days. So if there is anything,
    # nobody knows of which day, and the first day that is kept is tomorrow.
    "INSERT OR IGNORE INTO cluster (kind, value, crc) SELECT 'first-day', value, "
    "crc('first-day', value) FROM (SELECT CAST(strftime('%s', 'now') / 86400 + 1 AS TEXT) AS value)"
    " WHERE EXISTS (SELECT 1 FROM slots) OR EXISTS (SELECT 1 FROM base)",
)
# The keys of views, in groups: see `keys`. An id has the time of expiry, `keys` has 16 bytes for
# each key, and `videos` a line.
KEY_GROUPS: Final = (
    """CREATE TABLE key_groups (
        id INTEGER PRIMARY KEY,
        keys BLOB NOT NULL,
        videos BLOB NOT NULL
    ) STRICT""",
)
# Views that are accepted, and count once all nodes were asked: see `ratchet.retries`.
_PENDING: Final = (
    f"""CREATE TABLE pending (
        key TEXT PRIMARY KEY,
        video TEXT NOT NULL,
        views {_COUNT.format("views")},
        taken_by TEXT NOT NULL,
        behind INTEGER NOT NULL,
        since_ms {_COUNT.format("since_ms")},
        crc INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID""",
    "INSERT INTO sums (name, entries, crcs) VALUES ('pending', 0, 0)",
    *_summed("pending", "sums", "name = 'pending'"),
)
LATER_TABLES: Final = (_CLUSTER, _DAYS, KEY_GROUPS, _PENDING)
# What `TABLES` have left in a file. A flipped bit there would make SQLite read tables wrongly.
TABLES_IN_FILE: Final = "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name"

PUT_SLOT: Final = """
    INSERT INTO slots (id, node, generation, upto, crc)
    SELECT next.id, ?1, ?2, ?3, crc(next.id, ?1, ?2, ?3)
    FROM (SELECT coalesce(max(id), 0) + 1 AS id FROM slots) AS next WHERE true
    ON CONFLICT (node, generation) DO UPDATE
    SET upto = excluded.upto, crc = crc(id, node, generation, excluded.upto)
    WHERE excluded.upto > upto"""
SLOT_ID: Final = "SELECT id FROM slots WHERE node = ?1 AND generation = ?2"
PUT_ROW: Final = """
    INSERT INTO rows (slot, video, views, seq, crc) VALUES (?1, ?2, ?3, ?4, crc(?1, ?2, ?3, ?4))
    ON CONFLICT (slot, video) DO UPDATE
    SET views = excluded.views, seq = excluded.seq, crc = excluded.crc
    WHERE excluded.views > views"""
# Adds views of a slot to the base: those of some videos if `which` is `IN_LIST`, or all that are
# left if `which` is empty. `DROP_ROWS` then deletes the same rows.
# A bit may have been flipped since the node has started; here it would get a new, valid `crc`.
LIFT: Final = """
    INSERT INTO base (video, views, crc)
    SELECT video, views, crc(video, views) FROM rows
    WHERE slot = ?1 AND intact(crc, slot, video, views, seq) {which}
    ON CONFLICT (video) DO UPDATE
    SET views = min(views + excluded.views, 9007199254740991),
        crc = crc(video, min(views + excluded.views, 9007199254740991))
    WHERE intact(crc, video, views)"""
# The same for the base of a day, ?3.
LIFT_DAY: Final = """
    INSERT INTO days (day, video, views, crc)
    SELECT ?3, video, views, crc(?3, video, views) FROM rows
    WHERE slot = ?1 AND intact(crc, slot, video, views, seq) {which}
    ON CONFLICT (day, video) DO UPDATE
    SET views = min(views + excluded.views, 9007199254740991),
        crc = crc(day, video, min(views + excluded.views, 9007199254740991))
    WHERE intact(crc, day, video, views)"""
DROP_ROWS: Final = "DELETE FROM rows WHERE slot = ?1 {which}"
IN_LIST: Final = "AND video IN (SELECT value FROM json_each(?2))"
DROP_SLOT: Final = "DELETE FROM slots WHERE id = ?1"
PUT_BASE: Final = """
    INSERT INTO base (video, views, crc) VALUES (?1, ?2, crc(?1, ?2))
    ON CONFLICT (video) DO UPDATE SET views = excluded.views, crc = excluded.crc
    WHERE excluded.views > views"""
PUT_DAY: Final = """
    INSERT INTO days (day, video, views, crc) VALUES (?1, ?2, ?3, crc(?1, ?2, ?3))
    ON CONFLICT (day, video) DO UPDATE SET views = excluded.views, crc = excluded.crc
    WHERE excluded.views > views"""
PUT_GENERATION: Final = """
    INSERT INTO generations (kind, node, generation, crc) VALUES (?1, ?2, ?3, crc(?1, ?2, ?3))
    ON CONFLICT (kind, node) DO UPDATE SET generation = excluded.generation, crc = excluded.crc
    WHERE excluded.generation > generation"""

PUT_CLUSTER: Final = """
    INSERT INTO cluster (kind, value, crc) VALUES (?1, ?2, crc(?1, ?2))
    ON CONFLICT (kind, value) DO NOTHING"""
PUT_PENDING: Final = """
    INSERT INTO pending (key, video, views, taken_by, behind, since_ms, crc)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, crc(?1, ?2, ?3, ?4, ?5, ?6))
    ON CONFLICT (key) DO UPDATE SET video = excluded.video, views = excluded.views,
    taken_by = excluded.taken_by, behind = excluded.behind, since_ms = excluded.since_ms,
    crc = excluded.crc"""
DROP_PENDING: Final = "DELETE FROM pending WHERE key = ?1"
DROP_FIRST_DAYS: Final = """
    DELETE FROM cluster WHERE kind = 'first-day' AND CAST(value AS INTEGER) < ?1"""
# How many entries of forgotten days a transaction drops at most. A day may have millions of them,
# and views wait for the transaction.
DROPPED_DAYS: Final = 1000
DROP_DAYS: Final = f"""
    DELETE FROM days WHERE (day, video) IN
    (SELECT day, video FROM days WHERE day < ?1 LIMIT {DROPPED_DAYS})"""


DROP_GENERATIONS: Final = """
    DELETE FROM generations WHERE kind = ?1 AND node NOT IN (SELECT value FROM json_each(?2))"""
# A program that knows no floors must not read this file: it would take names for unknown whose
# slots are in the base. Until there is a floor, it may.
MARK_FLOOR: Final = f"PRAGMA user_version = {VERSION}"


class Query(NamedTuple):
    """What `load` reads; the last column is the row's `crc`. `careful` returns text as bytes, and
    does not sort."""

    fast: str
    careful: str


def _query(columns: str, table: str, order: str = "") -> Query:
    careful = re.sub(r"\b(kind|node|value|video|key|taken_by)\b", r"CAST(\1 AS BLOB)", columns)
    return Query(f"SELECT {columns} FROM {table} {order}", f"SELECT {careful} FROM {table}")


SLOTS: Final = _query("id, node, generation, upto, crc", "slots")
ROWS: Final = _query("video, views, seq, crc", "rows WHERE slot = ?1", "ORDER BY seq")
BASE: Final = _query("video, views, crc", "base")
DAYS: Final = _query("day, video, views, crc", "days")
PENDING: Final = _query(
    "key, video, views, taken_by, behind, since_ms, crc", "pending", "ORDER BY since_ms"
)
CLUSTER: Final = _query("kind, value, crc", "cluster")
GENERATIONS: Final = _query("kind, node, generation, crc", "generations")
# How many rows there should be, and the sum of their `crc`.
SUM: Final = "SELECT entries, crcs FROM sums WHERE name = ?1"
SUM_OF_SLOT: Final = "SELECT entries, crcs FROM slots WHERE id = ?1"
# The faults that SQLite finds in the structure of the file; in the small table, of its index, too.
STRUCTURE: Final = ("PRAGMA quick_check(1)", "PRAGMA integrity_check('slots')")

# It returns whether it was blocked, how many frames the log has, and how many it has moved.
CHECKPOINT: Final = "PRAGMA wal_checkpoint(PASSIVE)"

# Keys in groups.
PUT_GROUP: Final = "INSERT INTO key_groups (id, keys, videos) VALUES (?1, ?2, ?3)"
GROUP: Final = "SELECT keys, videos FROM key_groups WHERE id = ?1"
ALL_GROUPS: Final = "SELECT id, keys FROM key_groups ORDER BY id"
ALL_OF_GROUPS: Final = "SELECT id, keys, videos FROM key_groups ORDER BY id"
GROUPS_BELOW: Final = "SELECT id, keys, videos FROM key_groups WHERE id < ?1 ORDER BY id DESC"
FIRST_GROUP: Final = "SELECT min(id) FROM key_groups"
LAST_GROUP: Final = "SELECT max(id) FROM key_groups WHERE id >= ?1 AND id < ?2"
OLDEST_GROUP: Final = "SELECT id, keys, videos FROM key_groups ORDER BY id LIMIT 1"
DROP_GROUP: Final = "DELETE FROM key_groups WHERE id = ?1"
DROP_GROUPS: Final = """
    DELETE FROM key_groups WHERE id IN
        (SELECT id FROM key_groups WHERE id < ?1 ORDER BY id LIMIT ?2) RETURNING length(keys)"""

LAST_EXPIRY: Final = """
    SELECT max(expires_s) FROM (
        SELECT max(id) >> ?1 AS expires_s FROM key_groups UNION ALL SELECT max(expires_s) FROM keys
    )"""

# Keys in order. A promised key has an empty video.
ALL_KEYS: Final = "SELECT key, video, expires_s FROM keys"
COUNTED_KEYS_ABOVE: Final = """
    SELECT key, video FROM keys WHERE key > ?1 AND video <> '' ORDER BY key LIMIT ?2"""
COUNT_KEYS: Final = "SELECT count(*) FROM keys"
KNOWN_KEY: Final = "SELECT video, expires_s FROM keys WHERE key = ?1"
PUT_KEY: Final = "INSERT OR REPLACE INTO keys (key, video, expires_s) VALUES (?1, ?2, ?3)"
DROP_KEYS: Final = """
    DELETE FROM keys WHERE key IN
        (SELECT key FROM keys WHERE expires_s <= ?1 ORDER BY expires_s LIMIT ?2)"""
