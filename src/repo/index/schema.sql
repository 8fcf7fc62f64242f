-- The index. All of it can be made anew from the packs, but for files.durable, which falls back to 0.
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
-- Files that were seen with this length; durable: synced by us under this very name and length, and its directories too.
CREATE TABLE files (path TEXT PRIMARY KEY, length INTEGER NOT NULL, durable INTEGER NOT NULL) WITHOUT ROWID;
-- trouble: why the directory can't be read; such a pack has no blocks. healed: its directory is damaged, and known from its parity.
CREATE TABLE packs (
  id INTEGER PRIMARY KEY,
  name BLOB NOT NULL UNIQUE,
  length INTEGER NOT NULL,
  trouble TEXT,
  kind INTEGER,
  healed INTEGER NOT NULL
);
CREATE TABLE blocks (
  pack INTEGER NOT NULL,
  number INTEGER NOT NULL,
  body_offset INTEGER NOT NULL,
  encoded_length INTEGER NOT NULL,
  raw_length INTEGER NOT NULL,
  codec INTEGER NOT NULL,
  dictionary INTEGER,
  PRIMARY KEY (pack, number)
) WITHOUT ROWID;
CREATE TABLE chunks (
  chunk BLOB NOT NULL,
  pack INTEGER NOT NULL,
  block INTEGER NOT NULL,
  offset INTEGER NOT NULL,
  length INTEGER NOT NULL,
  PRIMARY KEY (chunk, pack, block, offset)
) WITHOUT ROWID;
CREATE INDEX chunks_of_pack ON chunks (pack);
