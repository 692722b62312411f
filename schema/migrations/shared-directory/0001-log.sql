-- A remote in a directory: the same tables as in PostgreSQL, see there.

CREATE TABLE pfs_remote (
  one       INTEGER PRIMARY KEY CHECK (one = 1),
  remote_id TEXT NOT NULL                    -- what this remote calls itself
);
INSERT INTO pfs_remote (one, remote_id) VALUES (1, lower(hex(randomblob(16))));

CREATE TABLE book (
  book_id         TEXT PRIMARY KEY,
  root_id         INTEGER NOT NULL,
  profile         TEXT NOT NULL,             -- JSON
  file_size_limit INTEGER NOT NULL,          -- bytes
  seq             INTEGER NOT NULL DEFAULT 0,
  entry_hash      TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE audit_log (
  book_id           TEXT NOT NULL REFERENCES book,
  seq               INTEGER NOT NULL CHECK (seq > 0),
  origin            TEXT NOT NULL,
  origin_seq        INTEGER NOT NULL,
  timestamp         TEXT NOT NULL,
  agent_id          TEXT NOT NULL CHECK (trim(agent_id) <> '' AND lower(trim(agent_id)) <> 'system'),
  operation         TEXT NOT NULL
                    CHECK (operation IN ('create', 'update', 'delete', 'rename', 'attributes', 'hide', 'revert')),
  path              TEXT NOT NULL,
  user_id           TEXT NOT NULL,
  prev_hash         TEXT,
  new_hash          TEXT,
  status            TEXT NOT NULL CHECK (status IN ('ok', 'refused')),
  error_message     TEXT,
  execution_time_ms REAL NOT NULL,
  file_id           INTEGER,
  prev_path         TEXT,
  uid               INTEGER,
  pid               INTEGER,
  command           TEXT,
  size              INTEGER,
  mode              INTEGER,
  mtime             TEXT,
  entry_hash        TEXT NOT NULL,
  PRIMARY KEY (book_id, seq),
  UNIQUE (origin, origin_seq),
  CHECK (status <> 'refused' OR prev_hash IS new_hash)
);
CREATE TRIGGER audit_log_no_update BEFORE UPDATE ON audit_log
BEGIN SELECT RAISE(ABORT, 'audit_log is append-only'); END;
CREATE TRIGGER audit_log_no_delete BEFORE DELETE ON audit_log
BEGIN SELECT RAISE(ABORT, 'audit_log is append-only'); END;
-- INSERT OR REPLACE removes a row without asking the trigger for deletes.
CREATE TRIGGER audit_log_no_replace BEFORE INSERT ON audit_log
WHEN EXISTS (SELECT 1 FROM audit_log WHERE book_id = NEW.book_id AND seq = NEW.seq)
  OR EXISTS (SELECT 1 FROM audit_log WHERE origin = NEW.origin AND origin_seq = NEW.origin_seq)
BEGIN SELECT RAISE(ABORT, 'audit_log is append-only'); END;

CREATE TABLE file_journal (
  book_id  TEXT NOT NULL REFERENCES book,
  user_id  TEXT NOT NULL,
  path     TEXT NOT NULL,
  sha256   TEXT NOT NULL CHECK (length(sha256) = 64),
  size     INTEGER NOT NULL,
  mode     INTEGER NOT NULL CHECK (mode IN (33188, 33261, 40960)),
  mtime    INTEGER NOT NULL,
  file_id  INTEGER NOT NULL,
  seq      INTEGER NOT NULL,
  agent_id TEXT NOT NULL,
  PRIMARY KEY (book_id, user_id, path)
) WITHOUT ROWID;

CREATE TABLE hidden_file (
  book_id  TEXT NOT NULL REFERENCES book,
  user_id  TEXT NOT NULL,
  file_id  INTEGER NOT NULL,
  path     TEXT NOT NULL,
  PRIMARY KEY (book_id, user_id, file_id)
) WITHOUT ROWID;
CREATE INDEX hidden_file_id ON hidden_file (book_id, file_id);
