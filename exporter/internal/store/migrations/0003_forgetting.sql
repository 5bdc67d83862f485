-- A Forget that has begun and not ended, so that the next start ends it.
CREATE TABLE forgetting (
  id       INTEGER PRIMARY KEY,
  began_at INTEGER NOT NULL,
  sought   BLOB    NOT NULL                       -- whom, JSON
) STRICT;
