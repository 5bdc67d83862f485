-- Only PostgreSQL: as with body, subject and outbox before, the place of dead rows is
-- wanted back when they are a fiftieth of the table, not a fifth. A call rewrites its
-- events and turns before it deletes them, so there are more dead rows than calls.
ALTER TABLE event       SET (autovacuum_vacuum_scale_factor = 0.02);
ALTER TABLE turn        SET (autovacuum_vacuum_scale_factor = 0.02);
ALTER TABLE alias       SET (autovacuum_vacuum_scale_factor = 0.02);
ALTER TABLE orphan      SET (autovacuum_vacuum_scale_factor = 0.02);
ALTER TABLE request     SET (autovacuum_vacuum_scale_factor = 0.02);
ALTER TABLE summary     SET (autovacuum_vacuum_scale_factor = 0.02);
ALTER TABLE observation SET (autovacuum_vacuum_scale_factor = 0.02);
