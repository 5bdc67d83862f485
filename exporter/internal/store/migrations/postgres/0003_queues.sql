-- These indexes are of what is worked on: few rows, until a collector is down. When
-- they were last looked at by the planner they may have been empty; then it takes them
-- also to find one row by its id, and reads all of what waits. So they are only for
-- statements that say id > 0, which is true of every row.
DROP INDEX event_state;
DROP INDEX event_dead;
DROP INDEX event_alone;
DROP INDEX subject_due;
DROP INDEX outbox_pending;
DROP INDEX subject_event;
CREATE INDEX event_state    ON event (state, id) WHERE state <> 'exported' AND id > 0;
CREATE INDEX event_dead     ON event (ended_at) WHERE state = 'dead' AND id > 0;
CREATE INDEX event_alone    ON event (ended_at) WHERE subject_id IS NULL AND state <> 'dead' AND id > 0;
CREATE INDEX subject_due    ON subject (due_at, id) WHERE state = 'open' AND id > 0;
CREATE INDEX outbox_pending ON outbox (signal, id) WHERE state = 'pending' AND id > 0;
-- Log records, of which there are none unless they are switched on.
CREATE INDEX subject_event  ON subject (event_id) WHERE event_id IS NOT NULL AND id > 0;
