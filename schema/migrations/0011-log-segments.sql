-- Log retention: old rows of a shared book lie in compressed segments, each a chain's next, on the book's remote and here; the
-- rows that nothing but a look back needs go from audit_log. Whatever a segment was recorded for stays recorded.

-- A segment has every row of its book from where the one before ended up to last_seq.
CREATE TABLE log_segment (
  book_id    TEXT NOT NULL,
  number     INTEGER NOT NULL,             -- from 1
  first_seq  INTEGER NOT NULL,
  last_seq   INTEGER NOT NULL,
  rows       INTEGER NOT NULL,
  first_time TEXT NOT NULL,                -- timestamps of the first and the last row
  last_time  TEXT NOT NULL,
  last_hash  TEXT NOT NULL,                -- entry_hash of the last row
  sha256     TEXT NOT NULL CHECK (length(sha256) = 64),    -- of the segment's bytes
  previous   TEXT NOT NULL CHECK (length(previous) = 64),  -- sha256 of the segment before; zeros for the first
  PRIMARY KEY (book_id, number)
) WITHOUT ROWID;
CREATE UNIQUE INDEX log_segment_end ON log_segment (book_id, last_seq);

-- What the remote has, too.
CREATE TABLE log_segment_bytes (
  sha256 TEXT PRIMARY KEY CHECK (length(sha256) = 64),
  bytes  BLOB NOT NULL
);

-- Up to here rows of the book may be in its segments only; 0: all are in audit_log.
CREATE TABLE log_horizon (
  book_id    TEXT PRIMARY KEY,
  moved_seq  INTEGER NOT NULL,
  kept_until TEXT                          -- no rows are moved before that time, ISO 8601: they were brought back
) WITHOUT ROWID;

-- Versions that rows have named which are in segments only: their bytes are needed as before.
CREATE TABLE moved_version (
  sha256  BLOB NOT NULL CHECK (length(sha256) = 32),
  book_id TEXT NOT NULL,
  size    INTEGER,                         -- NULL: no moved row says it
  PRIMARY KEY (sha256, book_id)
) WITHOUT ROWID;

-- Which segments have rows of a path.
CREATE TABLE moved_path (
  book_id TEXT NOT NULL,
  path    TEXT NOT NULL,
  number  INTEGER NOT NULL,
  PRIMARY KEY (book_id, path, number)
) WITHOUT ROWID;

-- What is recorded is what audit_log has at that moment.
CREATE TRIGGER log_segment_follows BEFORE INSERT ON log_segment
WHEN NEW.number <> (SELECT coalesce(max(number), 0) + 1 FROM log_segment WHERE book_id = NEW.book_id)
  OR NEW.previous <> coalesce((SELECT sha256 FROM log_segment WHERE book_id = NEW.book_id AND number = NEW.number - 1),
                              '0000000000000000000000000000000000000000000000000000000000000000')
  OR NEW.first_seq IS NOT (SELECT min(seq) FROM audit_log WHERE +book_id = NEW.book_id AND seq <= NEW.last_seq AND seq >
                           coalesce((SELECT last_seq FROM log_segment WHERE book_id = NEW.book_id AND number = NEW.number - 1), 0))
  OR NEW.rows <> (SELECT count(*) FROM audit_log WHERE +book_id = NEW.book_id AND seq BETWEEN NEW.first_seq AND NEW.last_seq)
  OR NEW.last_hash IS NOT (SELECT entry_hash FROM audit_log WHERE seq = NEW.last_seq AND +book_id = NEW.book_id)
  OR NEW.last_seq >= (SELECT max(seq) FROM audit_log)
BEGIN SELECT RAISE(ABORT, 'the segment does not follow'); END;
CREATE TRIGGER log_segment_no_update BEFORE UPDATE ON log_segment
BEGIN SELECT RAISE(ABORT, 'log_segment is append-only'); END;
CREATE TRIGGER log_segment_no_delete BEFORE DELETE ON log_segment
BEGIN SELECT RAISE(ABORT, 'log_segment is append-only'); END;

-- It is where a segment ends, and goes back only once every row is in audit_log again.
CREATE TRIGGER log_horizon_recorded BEFORE INSERT ON log_horizon
WHEN NEW.moved_seq <> 0 AND NOT EXISTS (SELECT 1 FROM log_segment WHERE book_id = NEW.book_id AND last_seq = NEW.moved_seq)
BEGIN SELECT RAISE(ABORT, 'no segment ends there'); END;
CREATE TRIGGER log_horizon_moved BEFORE UPDATE ON log_horizon
WHEN NEW.book_id <> OLD.book_id
  OR (NEW.moved_seq <> 0 AND NOT EXISTS (SELECT 1 FROM log_segment WHERE book_id = NEW.book_id AND last_seq = NEW.moved_seq))
  OR (NEW.moved_seq < OLD.moved_seq
      AND (SELECT sum(rows) FROM log_segment WHERE book_id = OLD.book_id AND last_seq <= OLD.moved_seq)
          <> (SELECT count(*) FROM audit_log WHERE +book_id = OLD.book_id AND seq <= OLD.moved_seq))
BEGIN SELECT RAISE(ABORT, 'rows are in segments only'); END;
CREATE TRIGGER log_horizon_no_delete BEFORE DELETE ON log_horizon
BEGIN SELECT RAISE(ABORT, 'log_horizon is not removed'); END;

-- Still append-only, but for rows before the horizon that are in a segment whose bytes are here, and are a refusal or a version
-- after which the same file had another at the same path, up to the horizon. So at the horizon and after it nothing is missing.
DROP TRIGGER audit_log_no_delete;
CREATE TRIGGER audit_log_no_delete BEFORE DELETE ON audit_log
WHEN NOT EXISTS (SELECT 1 FROM log_horizon h WHERE h.book_id = OLD.book_id AND OLD.seq < h.moved_seq
  AND EXISTS (SELECT 1 FROM log_segment_bytes b JOIN log_segment s ON s.sha256 = b.sha256
              WHERE s.book_id = OLD.book_id AND OLD.seq >= s.first_seq AND OLD.seq <= s.last_seq)
  AND (OLD.status = 'refused'
       OR (OLD.operation IN ('update', 'attributes') AND EXISTS (SELECT 1 FROM audit_log l
           WHERE l.book_id = OLD.book_id AND l.path = OLD.path AND l.user_id = OLD.user_id
           AND l.seq > OLD.seq AND l.seq <= h.moved_seq AND l.status = 'ok' AND l.operation IN ('update', 'attributes')
           AND l.file_id = OLD.file_id AND l.new_hash IS NOT NULL AND l.size IS NOT NULL AND l.mode IS NOT NULL
           AND l.mtime IS NOT NULL))))
BEGIN SELECT RAISE(ABORT, 'audit_log is append-only'); END;
