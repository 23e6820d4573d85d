-- The one session that a date at which everything ended has spared: the one in which the person brought it about.

-- +goose Up
ALTER TABLE accounts ADD COLUMN spared TEXT NOT NULL DEFAULT '';
