-- What of the base a version in an overlay began with, or an overlay hides, so that another machine of the user knows it, too.
-- The rows that there are do not say it.
ALTER TABLE audit_log ADD COLUMN base_hash TEXT;
