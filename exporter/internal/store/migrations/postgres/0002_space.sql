-- Only PostgreSQL: a table there does not tell how much of it is in use.

-- What is stored, in bytes, about, by the shards of the ledger: rows with their index
-- entries, and what is in them. A process changes it in the transaction that stores
-- or deletes.
CREATE TABLE space (
  shard INTEGER PRIMARY KEY,
  n     INTEGER NOT NULL
) STRICT;

-- These are compressed already.
ALTER TABLE body ALTER COLUMN bytes SET STORAGE EXTERNAL;
ALTER TABLE request ALTER COLUMN bytes SET STORAGE EXTERNAL;
ALTER TABLE observation ALTER COLUMN bytes SET STORAGE EXTERNAL;

-- Rows live for seconds, or change as often: their place is wanted back soon.
ALTER TABLE body SET (autovacuum_vacuum_scale_factor = 0.02);
ALTER TABLE subject SET (autovacuum_vacuum_scale_factor = 0.02, fillfactor = 70);
ALTER TABLE outbox SET (autovacuum_vacuum_scale_factor = 0.02, fillfactor = 70);
ALTER TABLE ledger SET (fillfactor = 50);
ALTER TABLE space SET (fillfactor = 50);
