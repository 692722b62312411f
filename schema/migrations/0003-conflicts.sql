-- Conflicts (W2): what a refused save carried, until somebody has decided about it. Bytes are blobs but for the
-- merged ones, which can be made again. A conflict that was decided stays as a row: its blob is known to be nobody's loss.
CREATE TABLE conflict (
  conflict_id INTEGER PRIMARY KEY AUTOINCREMENT,   -- never given again; people type it
  since       TEXT NOT NULL,                       -- ISO 8601
  book_id     TEXT NOT NULL,
  path        TEXT NOT NULL,
  user_id     TEXT NOT NULL DEFAULT '__base__',
  file_id     INTEGER NOT NULL,
  operation   TEXT NOT NULL,                       -- what was refused: 'create' or 'update'
  base        TEXT,                                -- hashes; NULL: there was no file
  mine        TEXT NOT NULL,
  theirs      TEXT,
  merged      TEXT,                                -- NULL: does not merge by itself
  merged_data BLOB,                                -- its bytes, which no row of the log names yet
  compared_at TEXT NOT NULL,                       -- when theirs and merged became what they are
  size        INTEGER NOT NULL,                    -- of mine
  mode        INTEGER NOT NULL,                    -- st_mode of mine
  mtime       INTEGER NOT NULL,                    -- of mine
  agent_id    TEXT NOT NULL,
  uid         INTEGER NOT NULL,
  gid         INTEGER NOT NULL,
  pid         INTEGER NOT NULL,
  command     TEXT NOT NULL,
  ended       TEXT,                                -- ISO 8601; NULL: not decided
  outcome     TEXT CHECK (outcome IN ('mine', 'theirs', 'merged', 'removed')),
  CHECK ((ended IS NULL) = (outcome IS NULL))
);
CREATE INDEX conflict_open ON conflict (book_id, user_id, conflict_id) WHERE ended IS NULL;
