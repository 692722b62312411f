-- What a user sees of the base depends on directories, too, which are in no log. Two more operations say so of a file of the
-- base: `cover` (the user sees it no more, as something of the user's is over it, or as a directory of it is elsewhere) and
-- `uncover`. They are this machine's own, as directories are. The rows that there are stay as they are.
CREATE TABLE audit_log_covering (
  seq               INTEGER PRIMARY KEY,
  timestamp         TEXT NOT NULL,           -- ISO 8601 UTC, milliseconds; never runs backwards
  agent_id          TEXT NOT NULL CHECK (trim(agent_id) <> '' AND lower(trim(agent_id)) <> 'system'),
  operation         TEXT NOT NULL CHECK (operation IN
                    ('create', 'update', 'delete', 'rename', 'attributes', 'hide', 'revert', 'cover', 'uncover')),
  book_id           TEXT NOT NULL,
  path              TEXT NOT NULL,
  user_id           TEXT NOT NULL DEFAULT '__base__',
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
  mtime             TEXT,                    -- decimal nanoseconds
  entry_hash        TEXT NOT NULL,
  CHECK (status <> 'refused' OR prev_hash IS new_hash)
);
INSERT INTO audit_log_covering SELECT seq, timestamp, agent_id, operation, book_id, path, user_id, prev_hash, new_hash, status,
  error_message, execution_time_ms, file_id, prev_path, uid, pid, command, size, mode, mtime, entry_hash FROM audit_log;
DROP TABLE audit_log;
ALTER TABLE audit_log_covering RENAME TO audit_log;
CREATE INDEX audit_log_path ON audit_log (book_id, path, user_id, seq, status);
CREATE INDEX audit_log_overlay_file ON audit_log (file_id, user_id, seq) WHERE user_id <> '__base__';
CREATE TRIGGER audit_log_no_update BEFORE UPDATE ON audit_log
BEGIN SELECT RAISE(ABORT, 'audit_log is append-only'); END;
CREATE TRIGGER audit_log_no_delete BEFORE DELETE ON audit_log
BEGIN SELECT RAISE(ABORT, 'audit_log is append-only'); END;
-- INSERT OR REPLACE removes a row without asking the trigger for deletes.
CREATE TRIGGER audit_log_no_replace BEFORE INSERT ON audit_log
WHEN EXISTS (SELECT 1 FROM audit_log WHERE seq = NEW.seq)
BEGIN SELECT RAISE(ABORT, 'audit_log is append-only'); END;

-- Which overlays have something at a path, and whether there are any: the base's rows, which are most, are in neither.
CREATE INDEX file_journal_overlay_path ON file_journal (book_id, path, user_id) WHERE user_id <> '__base__';
CREATE INDEX worktree_entry_overlay ON worktree_entry (user_id) WHERE user_id <> '__base__';

-- Books of which the log does not say yet what users see of the base: told when the store is opened the next time.
CREATE TABLE untold_book (book_id TEXT PRIMARY KEY) WITHOUT ROWID;
INSERT INTO untold_book SELECT book_id FROM book;
