-- 1: no key binds the grant, so that its refresh token is replaced by one statement, without reading first whose it is.

-- +goose Up
ALTER TABLE families ADD COLUMN bearer BIGINT NOT NULL DEFAULT 0;
