-- A remote that a book is no longer shared on: how far that had come, so that the book can go on there. The rows in shared_row
-- stay for it, until the book is shared elsewhere.

CREATE TABLE left_remote (
  book_id    TEXT PRIMARY KEY,
  remote_id  TEXT NOT NULL,                -- what the remote log called itself
  pulled_seq INTEGER NOT NULL,             -- as in remote
  pushed_seq INTEGER NOT NULL
) WITHOUT ROWID;

-- Bytes that it was known to have. Nobody counts on them meanwhile.
CREATE TABLE left_remote_blob (
  sha256  TEXT NOT NULL CHECK (length(sha256) = 64),
  book_id TEXT NOT NULL,
  PRIMARY KEY (sha256, book_id)
) WITHOUT ROWID;
