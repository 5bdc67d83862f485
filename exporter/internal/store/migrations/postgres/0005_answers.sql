-- Only PostgreSQL: a row changes once a second for a minute, and goes after a day.
ALTER TABLE answer SET (autovacuum_vacuum_scale_factor = 0.02, fillfactor = 70);
