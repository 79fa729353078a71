-- A whole state is written out for a group that has too many parents above it, once; it names the
-- group of which it is the copy.
ALTER TABLE state_groups ADD COLUMN copy_of INTEGER REFERENCES state_groups (id);
CREATE UNIQUE INDEX state_groups_by_copy ON state_groups (copy_of) WHERE copy_of IS NOT NULL;
