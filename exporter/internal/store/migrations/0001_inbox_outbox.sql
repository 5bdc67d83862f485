-- The durable inbox and outbox. One schema for SQLite and PostgreSQL: no foreign
-- keys (their checks cost a probe a row), no triggers, times in Unix nanoseconds.

-- One webhook body taken in. The body is apart, so that a change of state does
-- not rewrite it.
CREATE TABLE event (
  id              INTEGER PRIMARY KEY AUTOINCREMENT,
  source          TEXT    NOT NULL,
  kind            TEXT    NOT NULL,               -- cdr, message, other
  key             BLOB    NOT NULL,               -- identity within (source, kind); of a message with a log id: that, hashed
  content_hash    BLOB    NOT NULL,
  conflict        INTEGER NOT NULL,               -- 1: same key as another event, other content
  received_at     INTEGER NOT NULL,
  state           TEXT    NOT NULL,               -- pending, exported, dead, dropped, expired, forgotten
  reason          TEXT    NOT NULL,               -- of a dead letter
  detail          TEXT    NOT NULL,
  ended_at        INTEGER NOT NULL,               -- when it became dead, dropped or expired; 0 before
  subject_id      INTEGER,                        -- gathers it while the subject is open; fixed once assembled (I3)
  sip_key         BLOB,
  session_key     BLOB,                           -- message: its session
  drop_late       INTEGER NOT NULL,
  headers         BLOB,                           -- kept for resource mapping
  redeliveries    INTEGER NOT NULL,
  -- Display copies for the delivery log.
  name            TEXT    NOT NULL,
  session_id      TEXT    NOT NULL,
  log_id          TEXT    NOT NULL,
  client_address  TEXT    NOT NULL,
  endpoint        TEXT    NOT NULL,
  request_headers BLOB
) STRICT;
CREATE UNIQUE INDEX event_key      ON event (source, kind, key) WHERE conflict = 0;
CREATE UNIQUE INDEX event_conflict ON event (source, kind, key, content_hash) WHERE conflict = 1;
-- "cdr" sorts before "message": the order in which Members reads.
CREATE INDEX event_subject ON event (subject_id, kind, received_at, id) WHERE subject_id IS NOT NULL;
CREATE INDEX event_dead    ON event (ended_at) WHERE state = 'dead';
CREATE INDEX event_alone   ON event (ended_at) WHERE subject_id IS NULL AND state <> 'dead';

CREATE TABLE body (
  event_id INTEGER PRIMARY KEY,
  bytes    BLOB NOT NULL                          -- S2
) STRICT;

-- What is exported as one: a call, a conversation segment, a late message.
CREATE TABLE subject (
  id           INTEGER PRIMARY KEY AUTOINCREMENT,
  source       TEXT    NOT NULL,
  kind         TEXT    NOT NULL,                  -- call, conversation, late
  state        TEXT    NOT NULL,                  -- open, assembled, dead
  reason       TEXT    NOT NULL,
  due_at       INTEGER NOT NULL,
  not_before   INTEGER NOT NULL,                  -- conversation: pushes due_at back without rewriting its index entry
  claim_token  BLOB,
  claim_until  INTEGER NOT NULL,
  gather_key   BLOB,                              -- conversation that still takes messages; NULL once it is sealed
  sip_key      BLOB,                              -- conversation: of its first message
  messages     INTEGER NOT NULL,                  -- conversation: taken so far
  missing      INTEGER NOT NULL,                  -- call: owned log ids whose message is not there
  orphans      INTEGER NOT NULL,                  -- call: 1 if it has rows in orphan
  call_id      BLOB,
  -- The exported root; of a late message, until it is assembled, what it hangs from.
  trace_id     BLOB,
  span_id      BLOB,
  start_ns     INTEGER NOT NULL,
  end_ns       INTEGER NOT NULL,
  named        INTEGER NOT NULL,                  -- late: it hangs from its turn, not from the root
  assembled_at INTEGER NOT NULL,
  open_parts   INTEGER NOT NULL,                  -- outbox rows that are not done
  bodies       INTEGER NOT NULL,                  -- 1: bodies were kept (keep_bodies)
  settled_at   INTEGER,                           -- when all its events were final: history from then on
  stripped     INTEGER NOT NULL                   -- 1: its requests and bodies were evicted
) STRICT;
CREATE UNIQUE INDEX subject_gather ON subject (source, gather_key) WHERE gather_key IS NOT NULL;
CREATE INDEX subject_due     ON subject (due_at, id) WHERE state = 'open';
CREATE INDEX subject_bodies  ON subject (assembled_at) WHERE bodies = 1;
CREATE INDEX subject_history ON subject (settled_at) WHERE settled_at IS NOT NULL;
CREATE INDEX subject_whole   ON subject (settled_at) WHERE settled_at IS NOT NULL AND stripped = 0;

-- Who owns a log id: the first accepted CDR that names it.
CREATE TABLE turn (
  id         INTEGER PRIMARY KEY,
  source     TEXT    NOT NULL,
  log_key    BLOB    NOT NULL,
  subject_id INTEGER NOT NULL,
  -- The exported invoke_agent span, NULL before (or when the turn has none).
  span_id    BLOB,
  start_ns   INTEGER NOT NULL,
  end_ns     INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX turn_log ON turn (source, log_key);
CREATE INDEX turn_subject ON turn (subject_id, id);

-- By which Call-ID or session a subject is found: calls by messages, and
-- conversations by a CDR. Of several calls the first (lowest id) counts.
CREATE TABLE alias (
  source     TEXT    NOT NULL,
  key        BLOB    NOT NULL,                    -- 's' + session or 'c' + SIP Call-ID, hashed
  call       INTEGER NOT NULL,                    -- 1 call, 0 conversation
  subject_id INTEGER NOT NULL,
  PRIMARY KEY (source, key, call, subject_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX alias_subject ON alias (subject_id);

-- Roots of conversations in which messages of a call left before its CDR came.
CREATE TABLE orphan (
  subject_id      INTEGER NOT NULL,
  conversation_id INTEGER NOT NULL,
  trace_id        BLOB    NOT NULL,
  span_id         BLOB    NOT NULL,
  start_ns        INTEGER NOT NULL,
  end_ns          INTEGER NOT NULL,
  PRIMARY KEY (subject_id, conversation_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE outbox (
  id              INTEGER PRIMARY KEY AUTOINCREMENT,
  subject_id      INTEGER NOT NULL,
  signal          TEXT    NOT NULL,
  part            INTEGER NOT NULL,
  state           TEXT    NOT NULL,               -- pending, done, dead
  created_at      INTEGER NOT NULL,
  attempts        INTEGER NOT NULL,
  first_failed_at INTEGER NOT NULL,
  last_error      TEXT    NOT NULL,
  claim_token     BLOB,
  claim_until     INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX outbox_subject ON outbox (subject_id, signal, part);
CREATE INDEX outbox_pending ON outbox (signal, id) WHERE state = 'pending';

CREATE TABLE request (
  outbox_id INTEGER PRIMARY KEY,
  bytes     BLOB NOT NULL                         -- encoded OTLP request, Zstandard
) STRICT;

-- Changed in the same transaction as what it counts.
CREATE TABLE ledger (
  source TEXT    NOT NULL,
  state  TEXT    NOT NULL,
  n      INTEGER NOT NULL,
  PRIMARY KEY (source, state)
) STRICT, WITHOUT ROWID;

-- When a source was first heard of and when a message log last came from it.
CREATE TABLE source (
  name       TEXT    PRIMARY KEY,
  first_at   INTEGER NOT NULL,
  message_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Sampled refused requests, a ring a source, outside the ledger.
CREATE TABLE refusal (
  source         TEXT    NOT NULL,
  slot           INTEGER NOT NULL,
  seq            INTEGER NOT NULL,
  status         INTEGER NOT NULL,
  reason         TEXT    NOT NULL,
  client_address TEXT    NOT NULL,
  received_at    INTEGER NOT NULL,
  n              INTEGER NOT NULL,
  PRIMARY KEY (source, slot)
) STRICT, WITHOUT ROWID;
