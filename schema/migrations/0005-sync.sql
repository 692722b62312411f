-- Sync: where a book is shared, which rows of the log are shared, which bytes are there. The outbox is no table: it is the
-- rows of a book that shared_row does not name.

-- One remote for a book.
CREATE TABLE remote (
  book_id    TEXT PRIMARY KEY,
  log_url    TEXT NOT NULL,                -- without secrets
  blobs_url  TEXT NOT NULL,                -- without secrets
  remote_id  TEXT NOT NULL,                -- what the remote log calls itself
  pulled_seq INTEGER NOT NULL DEFAULT 0,   -- position of the shared log up to which this store has everything
  pushed_seq INTEGER NOT NULL DEFAULT 0    -- position of this log up to which every row of the book is shared
) WITHOUT ROWID;

-- Rows of this log that are a row of the shared log, or came of one: what others did, as one or more rows here.
CREATE TABLE shared_row (
  seq        INTEGER PRIMARY KEY,          -- in this log
  book_id    TEXT NOT NULL,
  shared_seq INTEGER NOT NULL
);
CREATE INDEX shared_row_shared ON shared_row (book_id, shared_seq);

-- Bytes that are known to be on a book's remote, be they here or not.
CREATE TABLE remote_blob (
  sha256  TEXT NOT NULL CHECK (length(sha256) = 64),
  book_id TEXT NOT NULL,
  PRIMARY KEY (sha256, book_id)
) WITHOUT ROWID;
