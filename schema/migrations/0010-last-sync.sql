-- When the last sync of a book went well: milliseconds since 1970, null for one of which nothing is known.
ALTER TABLE remote ADD COLUMN last_sync INTEGER;
