-- What one machine at a time does for all, as in PostgreSQL, see there.
CREATE TABLE claim (
  name       TEXT PRIMARY KEY,
  position   INTEGER NOT NULL DEFAULT 0,
  holder     TEXT NOT NULL,
  held_until INTEGER NOT NULL              -- milliseconds since 1970
) WITHOUT ROWID;
