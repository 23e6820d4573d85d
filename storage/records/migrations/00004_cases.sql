-- What people ask of an operator who cannot get back in by themselves. What they filed is sealed, and gone when the case ends.

-- +goose Up
CREATE TABLE cases (
    id          TEXT   PRIMARY KEY,
    opened_at   BIGINT NOT NULL,
    ends_at     BIGINT NOT NULL,
    answered_at BIGINT NOT NULL,
    sealed      BYTEA  NOT NULL
);

CREATE INDEX cases_by_end ON cases (ends_at);
