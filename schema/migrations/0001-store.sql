-- The store of one machine: books, the journal, the log, small blobs, and the worktree (what is this machine's alone).
-- Times are nanoseconds since 1970. Hashes are 64 lower-case hexadecimal digits (SHA-256).

CREATE TABLE book (
  book_id         TEXT PRIMARY KEY,
  root_id         INTEGER NOT NULL UNIQUE,   -- inode of the root directory
  profile         TEXT NOT NULL,             -- JSON: a built-in profile's name or a book's own patterns
  file_size_limit INTEGER NOT NULL,          -- bytes
  created_at      TEXT NOT NULL              -- ISO 8601
) WITHOUT ROWID;

-- The current state of every path. `parent` is the directory that holds it; NULL while the path is vacated (see vacancy).
CREATE TABLE file_journal (
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
  PRIMARY KEY (book_id, path, user_id)
) WITHOUT ROWID;
CREATE UNIQUE INDEX file_journal_file_id ON file_journal (file_id, user_id);
CREATE INDEX file_journal_parent ON file_journal (parent, file_id) WHERE parent IS NOT NULL;

CREATE TABLE audit_log (
  seq               INTEGER PRIMARY KEY,
  timestamp         TEXT NOT NULL,           -- ISO 8601 UTC, milliseconds; never runs backwards
  agent_id          TEXT NOT NULL CHECK (trim(agent_id) <> '' AND lower(trim(agent_id)) <> 'system'),
  operation         TEXT NOT NULL CHECK (operation IN ('create', 'update', 'delete', 'rename', 'attributes')),
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
CREATE INDEX audit_log_path ON audit_log (book_id, path);
CREATE TRIGGER audit_log_no_update BEFORE UPDATE ON audit_log
BEGIN SELECT RAISE(ABORT, 'audit_log is append-only'); END;
CREATE TRIGGER audit_log_no_delete BEFORE DELETE ON audit_log
BEGIN SELECT RAISE(ABORT, 'audit_log is append-only'); END;
-- INSERT OR REPLACE removes a row without asking the trigger for deletes.
CREATE TRIGGER audit_log_no_replace BEFORE INSERT ON audit_log
WHEN EXISTS (SELECT 1 FROM audit_log WHERE seq = NEW.seq)
BEGIN SELECT RAISE(ABORT, 'audit_log is append-only'); END;

-- Bytes by their hash. Small ones are here; of large ones only the row, the bytes are objects/<2 digits>/<hash>.
CREATE TABLE blob (
  sha256 TEXT NOT NULL UNIQUE CHECK (length(sha256) = 64),
  size   INTEGER NOT NULL,
  data   BLOB
);

-- Worktree: names that are not the journal's (directories, scratch, fifos, sockets). entry_id is also the listing cookie.
CREATE TABLE worktree_entry (
  entry_id INTEGER PRIMARY KEY,
  parent   INTEGER NOT NULL,
  name     TEXT NOT NULL,
  file_id  INTEGER NOT NULL
);
CREATE UNIQUE INDEX worktree_entry_name ON worktree_entry (parent, name);
CREATE INDEX worktree_entry_parent ON worktree_entry (parent, entry_id);
CREATE INDEX worktree_entry_file_id ON worktree_entry (file_id);

-- Attributes that belong to this machine. For a tracked file there is a row only once something differs from the
-- defaults (owner of the store, 0644 or 0755). NULL means: the default.
CREATE TABLE worktree_node (
  file_id INTEGER PRIMARY KEY,
  mode    INTEGER,                           -- st_mode with the file type
  uid     INTEGER,
  gid     INTEGER,
  nlink   INTEGER,
  atime   INTEGER,
  mtime   INTEGER,                           -- directories, symlinks, fifos, sockets
  ctime   INTEGER,
  target  BLOB                               -- scratch symlinks
);
CREATE TABLE worktree_xattr (
  file_id INTEGER NOT NULL,
  name    TEXT NOT NULL,
  value   BLOB NOT NULL,
  PRIMARY KEY (file_id, name)
) WITHOUT ROWID;

-- A path whose file was moved away or removed a moment ago: written again at once it is one update of the same file,
-- else it becomes a delete in the log.
CREATE TABLE vacancy (
  book_id TEXT NOT NULL,
  path    TEXT NOT NULL,
  user_id TEXT NOT NULL DEFAULT '__base__',
  since   INTEGER NOT NULL,
  agent_id TEXT NOT NULL,
  uid     INTEGER,
  pid     INTEGER,
  command TEXT,
  scratch_id INTEGER,                        -- the scratch file that it became; NULL: it was removed
  PRIMARY KEY (book_id, path, user_id)
) WITHOUT ROWID;
