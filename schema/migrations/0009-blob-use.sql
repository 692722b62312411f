-- When blobs were last used, as far as it was noted; only for choosing which of those that a remote has too are kept here.

CREATE TABLE blob_use (
  sha256 TEXT PRIMARY KEY CHECK (length(sha256) = 64),
  used   INTEGER NOT NULL                  -- seconds since 1970
) WITHOUT ROWID;
