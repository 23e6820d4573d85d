-- Sessions of a person are looked for among that person's families, which another index finds; this one was written with every
-- grant and never read.

-- +goose Up
DROP INDEX families_by_session;
