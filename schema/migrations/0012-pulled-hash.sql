-- The entry_hash of the shared log's row at pulled_seq: what a remote has there must be that row ever after. Null where it is not
-- known, in stores from before: the next row that is pulled says it.
ALTER TABLE remote ADD COLUMN pulled_hash TEXT;
ALTER TABLE left_remote ADD COLUMN pulled_hash TEXT;
