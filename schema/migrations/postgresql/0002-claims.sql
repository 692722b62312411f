-- What one machine at a time does for all, such as publishing a book: who does it, and how far it is. Losing it loses nothing:
-- then it is all done again.
CREATE TABLE pfs.claim (
  name       text COLLATE "C" PRIMARY KEY,
  position   bigint NOT NULL DEFAULT 0,
  holder     text NOT NULL,                -- store_id of the store that has it, or had it last
  held_until bigint NOT NULL               -- milliseconds since 1970; it ends then by itself
);
