-- The rows of one path in one layer, in order: what a path held at any position, and checking its history, is one search.
DROP INDEX audit_log_path;
CREATE INDEX audit_log_path ON audit_log (book_id, path, user_id, seq, status);

-- At which position a book's manifest had a hash that somebody was told. Only a memory: the log and the hash prove it.
CREATE TABLE manifest_position (
  book_id       TEXT NOT NULL,
  manifest_hash TEXT NOT NULL CHECK (length(manifest_hash) = 64),
  seq           INTEGER NOT NULL,
  PRIMARY KEY (book_id, manifest_hash)
) WITHOUT ROWID;
