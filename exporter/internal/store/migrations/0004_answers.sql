-- What the webhook listener answered, counted by minute, outside the ledger. Of a shard
-- as in ledger: processes that share the store must not wait for each other's commits
-- at one row.
CREATE TABLE answer (
  minute  INTEGER NOT NULL,                       -- since 1970
  source  TEXT    NOT NULL,                       -- configured; '' of a path that names none
  outcome TEXT    NOT NULL,
  reason  TEXT    NOT NULL,                       -- why it was refused; '' if it was not
  shard   INTEGER NOT NULL,
  n       INTEGER NOT NULL,
  PRIMARY KEY (minute, source, outcome, reason, shard)
) STRICT, WITHOUT ROWID;

-- What a refused request asked for, and who asked. Written by strangers: printable and
-- bounded; a path without its query.
ALTER TABLE refusal ADD COLUMN path       TEXT NOT NULL DEFAULT '';
ALTER TABLE refusal ADD COLUMN asked      TEXT NOT NULL DEFAULT '';   -- source that the path names
ALTER TABLE refusal ADD COLUMN user_agent TEXT NOT NULL DEFAULT '';
