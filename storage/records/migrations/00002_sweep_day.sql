-- The day (of epoch, UTC) on which a family may be forgotten, so that a refresh, which moves expires_at, changes no indexed
-- column: PostgreSQL then writes the row without touching any index.

-- +goose Up
ALTER TABLE families ADD COLUMN sweep_on BIGINT NOT NULL DEFAULT 0;

UPDATE families SET sweep_on = expires_at / 86400000000000;

CREATE INDEX families_by_sweep ON families (sweep_on);

DROP INDEX families_by_expiry;
