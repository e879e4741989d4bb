PRAGMA application_id = 1920230248;
PRAGMA user_version = 1;
PRAGMA journal_mode = WAL;
BEGIN TRANSACTION;
CREATE TABLE base (
        video TEXT PRIMARY KEY,
        views INTEGER NOT NULL CHECK (views BETWEEN 0 AND 9007199254740991),
        crc INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
INSERT INTO "base" VALUES('moss',1,724540486);
INSERT INTO "base" VALUES('tide',4,3886208616);
CREATE TABLE generations (
        kind TEXT NOT NULL,
        node TEXT NOT NULL,
        generation INTEGER NOT NULL CHECK (generation BETWEEN 0 AND 9007199254740991),
        crc INTEGER NOT NULL,
        PRIMARY KEY (kind, node)
    ) STRICT, WITHOUT ROWID;
INSERT INTO "generations" VALUES('closed','a',4,413436361);
INSERT INTO "generations" VALUES('closed','old',1,3552305497);
INSERT INTO "generations" VALUES('folded','old',1,2456879005);
INSERT INTO "generations" VALUES('heard','a',5,755085814);
INSERT INTO "generations" VALUES('heard','b',7,2577637850);
INSERT INTO "generations" VALUES('heard','old',1,467345723);
INSERT INTO "generations" VALUES('lifted','old',5,4085017981);
CREATE TABLE keys (
        key TEXT PRIMARY KEY,
        video TEXT NOT NULL,
        expires_s INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
INSERT INTO "keys" VALUES('00000000-0000-4000-8000-000000000000','tide',4102444800);
CREATE TABLE rows (
        slot INTEGER NOT NULL REFERENCES slots (id),
        video TEXT NOT NULL,
        views INTEGER NOT NULL CHECK (views BETWEEN 0 AND 9007199254740991),
        seq INTEGER NOT NULL CHECK (seq BETWEEN 0 AND 9007199254740991),
        crc INTEGER NOT NULL,
        PRIMARY KEY (slot, video)
    ) STRICT, WITHOUT ROWID;
INSERT INTO "rows" VALUES(1,'fern',1,3,347537720);
INSERT INTO "rows" VALUES(1,'tide',2,2,147899519);
INSERT INTO "rows" VALUES(2,'tide',9,1,2112164447);
CREATE TABLE slots (
        id INTEGER PRIMARY KEY,
        node TEXT NOT NULL,
        generation INTEGER NOT NULL CHECK (generation BETWEEN 0 AND 9007199254740991),
        upto INTEGER NOT NULL CHECK (upto BETWEEN 0 AND 9007199254740991),
        crc INTEGER NOT NULL,
        UNIQUE (node, generation)
    ) STRICT;
INSERT INTO "slots" VALUES(1,'a',5,3,1089663853);
INSERT INTO "slots" VALUES(2,'b',7,1,831127114);
CREATE INDEX keys_by_expiry ON keys (expires_s);
COMMIT;
