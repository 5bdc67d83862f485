-- Log records as a second signal, what the synchronous webhooks showed, what the
-- delivery log and the call pages list, and what a person is found by to be
-- forgotten. The same rules as before: one schema for SQLite and PostgreSQL.

-- What becomes of a message that comes after its call was assembled: 0 a span, 1
-- nothing, 2 a log record.
ALTER TABLE event RENAME COLUMN drop_late TO late_as;

-- Its log record: 0 none, 1 to be mapped (so the body stays), 2 mapped and not
-- done, 3 done.
ALTER TABLE event ADD COLUMN record INTEGER NOT NULL DEFAULT 0;

-- From the first byte of the request until it was durable; 0 unknown.
ALTER TABLE event ADD COLUMN took_ns INTEGER NOT NULL DEFAULT 0;

-- The delivery log by state. Nearly all events end as exported, and those are
-- found without it.
CREATE INDEX event_state ON event (state, id) WHERE state <> 'exported';

-- Whom it is about, as HMAC under a key of this store. Only forget reads them,
-- and it reads them all: no index.
ALTER TABLE event ADD COLUMN customer_key BLOB;
ALTER TABLE event ADD COLUMN caller_key BLOB;

-- A log record's subject (kind log) says which event it is made of. It gathers
-- nothing: event.subject_id names it only where nothing else owns the event.
ALTER TABLE subject ADD COLUMN event_id INTEGER;
CREATE INDEX subject_event ON subject (event_id) WHERE event_id IS NOT NULL;

-- Everything of one trace: the call, its late messages, its log records.
CREATE INDEX subject_trace ON subject (trace_id) WHERE trace_id IS NOT NULL;

-- What a call or conversation was, in the numbers that a list shows. Made by its
-- assembly; the trace has the rest.
CREATE TABLE summary (
  subject_id    INTEGER PRIMARY KEY,
  source        TEXT    NOT NULL,
  kind          TEXT    NOT NULL,                 -- call, conversation
  started_at    INTEGER NOT NULL,
  duration_ns   INTEGER NOT NULL,
  direction     TEXT    NOT NULL,                 -- inbound, outbound; '' of a conversation
  result        TEXT    NOT NULL,                 -- wxa.call.result
  channel       TEXT    NOT NULL,                 -- of a conversation
  turns         INTEGER NOT NULL,
  worst_turn_ns INTEGER NOT NULL,                 -- the longest wait for an answer; 0 unknown
  jitter_ns     INTEGER NOT NULL,                 -- the larger maximum of both directions; 0 unknown
  loss_ppm      INTEGER NOT NULL,                 -- the larger of both directions, parts per million; -1 unknown
  warnings      INTEGER NOT NULL,
  failed        INTEGER NOT NULL,
  transferred   INTEGER NOT NULL,
  slow          INTEGER NOT NULL                  -- 1: a turn was slow or dead air
) STRICT;
CREATE INDEX summary_worst       ON summary (worst_turn_ns, subject_id);
CREATE INDEX summary_failed      ON summary (subject_id) WHERE failed = 1;
CREATE INDEX summary_transferred ON summary (subject_id) WHERE transferred = 1;
CREATE INDEX summary_slow        ON summary (subject_id) WHERE slow = 1;

-- What a synchronous webhook showed, until its turn is assembled. Best effort,
-- outside the ledger.
CREATE TABLE observation (
  id          INTEGER PRIMARY KEY AUTOINCREMENT,
  source      TEXT    NOT NULL,
  session_key BLOB    NOT NULL,                   -- as in alias.key
  received_at INTEGER NOT NULL,
  bytes       BLOB    NOT NULL                    -- JSON, Zstandard
) STRICT;
CREATE INDEX observation_session  ON observation (source, session_key, id);
CREATE INDEX observation_received ON observation (received_at);

-- Keys of this store.
CREATE TABLE secret (
  name  TEXT PRIMARY KEY,
  bytes BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- A shard is written by one process at a time, nearly always: several would wait for
-- each other's commits at one row. A count is the sum over the shards.
ALTER TABLE ledger RENAME TO ledger_unsharded;
CREATE TABLE ledger (
  source TEXT    NOT NULL,
  state  TEXT    NOT NULL,
  shard  INTEGER NOT NULL,
  n      INTEGER NOT NULL,
  PRIMARY KEY (source, state, shard)
) STRICT, WITHOUT ROWID;
INSERT INTO ledger (source, state, shard, n) SELECT source, state, 0, n FROM ledger_unsharded;
DROP TABLE ledger_unsharded;
