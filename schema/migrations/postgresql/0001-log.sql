-- A remote in PostgreSQL: what stores that share books tell each other. Everything is in a schema of its own, so that the
-- database may hold other things, and no search_path matters. Texts that are paths sort bytewise.

CREATE TABLE pfs.pfs_remote (
  one            boolean PRIMARY KEY DEFAULT true CHECK (one),
  remote_id      text NOT NULL DEFAULT replace(gen_random_uuid()::text, '-', ''),  -- what this remote calls itself
  schema_version integer NOT NULL,
  created_at     timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE pfs.book (
  book_id         text COLLATE "C" PRIMARY KEY CHECK (book_id ~ '^[a-z0-9-]{3,50}$'),
  root_id         bigint NOT NULL,              -- inode number of the root, the same on every machine
  profile         jsonb NOT NULL,               -- a built-in profile's name or the book's own patterns
  file_size_limit bigint NOT NULL,              -- bytes
  seq             bigint NOT NULL DEFAULT 0,    -- of the last row of its log; who appends locks this row
  entry_hash      text NOT NULL,                -- of that row
  created_at      timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE pfs.audit_log (
  book_id           text COLLATE "C" NOT NULL REFERENCES pfs.book,
  seq               bigint NOT NULL CHECK (seq > 0),   -- 1, 2, 3 … in each book, without gaps
  origin            text NOT NULL,                     -- store_id of the store that made the row
  origin_seq        bigint NOT NULL,                   -- its position in that store's log
  timestamp         text NOT NULL,                     -- ISO 8601 UTC, milliseconds, by that store's clock
  agent_id          text NOT NULL
                    CONSTRAINT audit_log_agent CHECK (trim(agent_id) <> '' AND lower(trim(agent_id)) <> 'system'),
  operation         text NOT NULL
                    CHECK (operation IN ('create', 'update', 'delete', 'rename', 'attributes', 'hide', 'revert')),
  path              text COLLATE "C" NOT NULL,
  user_id           text COLLATE "C" NOT NULL,
  prev_hash         text,
  new_hash          text,
  status            text NOT NULL CHECK (status IN ('ok', 'refused')),
  error_message     text,
  execution_time_ms double precision NOT NULL,
  file_id           bigint,
  prev_path         text,
  uid               bigint,
  pid               bigint,
  command           text,
  size              bigint,
  mode              integer,
  mtime             text,                              -- decimal nanoseconds
  entry_hash        text NOT NULL,
  PRIMARY KEY (book_id, seq),
  UNIQUE (origin, origin_seq),
  CHECK (status <> 'refused' OR prev_hash IS NOT DISTINCT FROM new_hash)
);

-- The log's last state: which file each path of each layer has.
CREATE TABLE pfs.file_journal (
  book_id  text COLLATE "C" NOT NULL REFERENCES pfs.book,
  user_id  text COLLATE "C" NOT NULL,
  path     text COLLATE "C" NOT NULL,
  sha256   text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
  size     bigint NOT NULL,
  mode     integer NOT NULL CHECK (mode IN (33188, 33261, 40960)),   -- 100644, 100755, 120000 as in git
  mtime    bigint NOT NULL,                                          -- nanoseconds
  file_id  bigint NOT NULL,
  seq      bigint NOT NULL,                                          -- of the row that made it so
  agent_id text NOT NULL,
  PRIMARY KEY (book_id, user_id, path)
);

-- Files of the base that a user's overlay hides. By file id, as hiding follows the file to the name that the base gives it.
CREATE TABLE pfs.hidden_file (
  book_id  text COLLATE "C" NOT NULL REFERENCES pfs.book,
  user_id  text COLLATE "C" NOT NULL,
  file_id  bigint NOT NULL,
  path     text COLLATE "C" NOT NULL,                                -- where the base has it
  PRIMARY KEY (book_id, user_id, file_id)
);
CREATE INDEX hidden_file_id ON pfs.hidden_file (book_id, file_id);

CREATE FUNCTION pfs.refuse_change() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'pfs.audit_log is append-only'; END $$;
CREATE TRIGGER audit_log_no_change BEFORE UPDATE OR DELETE ON pfs.audit_log
  FOR EACH ROW EXECUTE FUNCTION pfs.refuse_change();
CREATE TRIGGER audit_log_no_truncate BEFORE TRUNCATE ON pfs.audit_log
  FOR EACH STATEMENT EXECUTE FUNCTION pfs.refuse_change();
