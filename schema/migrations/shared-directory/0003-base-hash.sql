-- What of the base a version in an overlay began with, or an overlay hides. The rows that there are do not say it.
ALTER TABLE audit_log ADD COLUMN base_hash TEXT;
ALTER TABLE file_journal ADD COLUMN base_hash TEXT;
