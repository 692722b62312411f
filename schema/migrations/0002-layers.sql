-- Layers: what is this machine's alone belongs to one layer (the base or a user's overlay), as the journal's rows do. An
-- overlay holds only what differs from the base.

-- The key begins with the layer, so that reading one costs nothing for the others.
CREATE TABLE file_journal_layered (
  book_id         TEXT NOT NULL,
  path            TEXT NOT NULL,
  user_id         TEXT NOT NULL DEFAULT '__base__',
  sha256          TEXT NOT NULL CHECK (length(sha256) = 64),
  size            INTEGER NOT NULL,
  mode            INTEGER NOT NULL CHECK (mode IN (33188, 33261, 40960)),  -- 100644, 100755, 120000 as in git
  mtime           INTEGER NOT NULL,
  file_id         INTEGER NOT NULL,
  storage_backend TEXT NOT NULL,             -- where the bytes are: 'inline' (blob table) or 'object' (file)
  last_written_at INTEGER NOT NULL,
  parent          INTEGER,
  base_sha256     TEXT,                      -- in an overlay: the base's version that it was copied from; NULL: none
  PRIMARY KEY (book_id, user_id, path)
) WITHOUT ROWID;
INSERT INTO file_journal_layered SELECT book_id, path, user_id, sha256, size, mode, mtime, file_id, storage_backend,
  last_written_at, parent, NULL FROM file_journal;
DROP TABLE file_journal;
ALTER TABLE file_journal_layered RENAME TO file_journal;
CREATE UNIQUE INDEX file_journal_file_id ON file_journal (file_id, user_id);
CREATE INDEX file_journal_parent ON file_journal (parent, user_id, file_id) WHERE parent IS NOT NULL;

ALTER TABLE worktree_entry ADD COLUMN user_id TEXT NOT NULL DEFAULT '__base__';
DROP INDEX worktree_entry_name;
DROP INDEX worktree_entry_parent;
DROP INDEX worktree_entry_file_id;
CREATE UNIQUE INDEX worktree_entry_name ON worktree_entry (parent, name, user_id);
CREATE INDEX worktree_entry_parent ON worktree_entry (parent, user_id, entry_id);
CREATE INDEX worktree_entry_file_id ON worktree_entry (file_id, user_id);

-- Names of the base that an overlay hides, whether or not it has something of its own there.
CREATE TABLE whiteout (
  parent  INTEGER NOT NULL,
  user_id TEXT NOT NULL,
  name    TEXT NOT NULL,
  PRIMARY KEY (parent, user_id, name)
) WITHOUT ROWID;
CREATE INDEX whiteout_name ON whiteout (parent, name);
CREATE INDEX whiteout_user ON whiteout (user_id);

-- An overlay's row of what it shares with the base holds what differs; `nlink` then says nothing.
CREATE TABLE worktree_node_layered (
  file_id INTEGER NOT NULL,
  user_id TEXT NOT NULL DEFAULT '__base__',
  mode    INTEGER,                           -- st_mode with the file type
  uid     INTEGER,
  gid     INTEGER,
  nlink   INTEGER,
  atime   INTEGER,
  mtime   INTEGER,                           -- directories, symlinks, fifos, sockets
  ctime   INTEGER,
  target  BLOB,                              -- scratch symlinks
  PRIMARY KEY (file_id, user_id)
) WITHOUT ROWID;
INSERT INTO worktree_node_layered SELECT file_id, '__base__', mode, uid, gid, nlink, atime, mtime, ctime, target
  FROM worktree_node;
DROP TABLE worktree_node;
ALTER TABLE worktree_node_layered RENAME TO worktree_node;

-- `value` NULL in an overlay: an attribute of the base that was removed there.
CREATE TABLE worktree_xattr_layered (
  file_id INTEGER NOT NULL,
  user_id TEXT NOT NULL DEFAULT '__base__',
  name    TEXT NOT NULL,
  value   BLOB,
  PRIMARY KEY (file_id, user_id, name)
) WITHOUT ROWID;
INSERT INTO worktree_xattr_layered SELECT file_id, '__base__', name, value FROM worktree_xattr;
DROP TABLE worktree_xattr;
ALTER TABLE worktree_xattr_layered RENAME TO worktree_xattr;

ALTER TABLE vacancy ADD COLUMN hides INTEGER NOT NULL DEFAULT 0;  -- 1: in an overlay, the base's file is to be hidden

-- The log's rows stay as they are; two operations of overlays come in: `hide` (the user no longer sees the base's file) and
-- `revert` (the user sees the base again).
CREATE TABLE audit_log_layered (
  seq               INTEGER PRIMARY KEY,
  timestamp         TEXT NOT NULL,           -- ISO 8601 UTC, milliseconds; never runs backwards
  agent_id          TEXT NOT NULL CHECK (trim(agent_id) <> '' AND lower(trim(agent_id)) <> 'system'),
  operation         TEXT NOT NULL
                    CHECK (operation IN ('create', 'update', 'delete', 'rename', 'attributes', 'hide', 'revert')),
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
INSERT INTO audit_log_layered SELECT seq, timestamp, agent_id, operation, book_id, path, user_id, prev_hash, new_hash, status,
  error_message, execution_time_ms, file_id, prev_path, uid, pid, command, size, mode, mtime, entry_hash FROM audit_log;
DROP TABLE audit_log;
ALTER TABLE audit_log_layered RENAME TO audit_log;
CREATE INDEX audit_log_path ON audit_log (book_id, path);
CREATE TRIGGER audit_log_no_update BEFORE UPDATE ON audit_log
BEGIN SELECT RAISE(ABORT, 'audit_log is append-only'); END;
CREATE TRIGGER audit_log_no_delete BEFORE DELETE ON audit_log
BEGIN SELECT RAISE(ABORT, 'audit_log is append-only'); END;
-- INSERT OR REPLACE removes a row without asking the trigger for deletes.
CREATE TRIGGER audit_log_no_replace BEFORE INSERT ON audit_log
WHEN EXISTS (SELECT 1 FROM audit_log WHERE seq = NEW.seq)
BEGIN SELECT RAISE(ABORT, 'audit_log is append-only'); END;
