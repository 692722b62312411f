-- What a user had of a file at a position, wherever it was: the base's rows, which are most, are not in it.
CREATE INDEX audit_log_overlay_file ON audit_log (file_id, user_id, seq) WHERE user_id <> '__base__';
