-- The server whose question made the owner record an abort; null: the owner decided by itself. There
-- are only so many per server.
ALTER TABLE m1_decisions ADD COLUMN asked_by TEXT;
CREATE INDEX m1_decisions_by_asker ON m1_decisions (asked_by) WHERE asked_by IS NOT NULL;
