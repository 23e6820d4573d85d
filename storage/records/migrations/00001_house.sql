-- Every time is epoch nanoseconds, UTC; 0 is "never". What says something of a person is sealed.

-- +goose Up
CREATE TABLE accounts (
    id            TEXT   PRIMARY KEY,
    version       BIGINT NOT NULL,
    status        TEXT   NOT NULL,
    level         TEXT   NOT NULL,
    signed_out_at BIGINT NOT NULL,
    created_at    BIGINT NOT NULL,
    updated_at    BIGINT NOT NULL,
    sealed        BYTEA  NOT NULL
);

CREATE TABLE identifiers (
    kind       TEXT NOT NULL,
    hash       TEXT NOT NULL,
    account_id TEXT NOT NULL REFERENCES accounts (id),
    PRIMARY KEY (kind, hash)
);
CREATE INDEX identifiers_by_account ON identifiers (account_id);

CREATE TABLE events (
    account_id  TEXT   NOT NULL REFERENCES accounts (id),
    seq         BIGINT NOT NULL,
    happened_at BIGINT NOT NULL,
    kind        TEXT   NOT NULL,
    actor       TEXT   NOT NULL,
    sealed      BYTEA  NOT NULL,
    digest      TEXT   NOT NULL,
    hash        TEXT   NOT NULL,
    PRIMARY KEY (account_id, seq)
);

CREATE TABLE outbox (
    id           TEXT   PRIMARY KEY,
    kind         TEXT   NOT NULL,
    account_id   TEXT   NOT NULL,
    due_at       BIGINT NOT NULL,
    leased_until BIGINT NOT NULL,
    attempts     BIGINT NOT NULL,
    sealed       BYTEA  NOT NULL
);
CREATE INDEX outbox_by_due ON outbox (kind, due_at);

CREATE TABLE sessions (
    id         TEXT   PRIMARY KEY,
    hash       TEXT   NOT NULL UNIQUE,
    account_id TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    seen_at    BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    ended_at   BIGINT NOT NULL,
    sealed     BYTEA  NOT NULL
);
CREATE INDEX sessions_by_account ON sessions (account_id, created_at);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);

CREATE TABLE families (
    id           TEXT   PRIMARY KEY,
    account_id   TEXT   NOT NULL,
    client_id    TEXT   NOT NULL,
    session_id   TEXT   NOT NULL,
    auth_time    BIGINT NOT NULL,
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL,
    ended_at     BIGINT NOT NULL,
    refresh_hash TEXT   NOT NULL,
    generation   BIGINT NOT NULL,
    rotated_at   BIGINT NOT NULL,
    successor    BYTEA  NOT NULL,
    sealed       BYTEA  NOT NULL
);
CREATE INDEX families_by_account ON families (account_id, client_id);
CREATE INDEX families_by_session ON families (session_id);
CREATE INDEX families_by_expiry ON families (expires_at);

CREATE TABLE clients (
    id         TEXT   PRIMARY KEY,
    document   TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

CREATE TABLE signing_keys (
    id          TEXT   PRIMARY KEY,
    algorithm   TEXT   NOT NULL,
    public_key  BYTEA  NOT NULL,
    private_key BYTEA  NOT NULL,
    created_at  BIGINT NOT NULL,
    active_from BIGINT NOT NULL,
    retired_at  BIGINT NOT NULL,
    hidden_at   BIGINT NOT NULL
);

-- One row per thing that is cached by nodes; its version grows with every change.
CREATE TABLE versions (
    name    TEXT   PRIMARY KEY,
    version BIGINT NOT NULL
);
INSERT INTO versions (name, version) VALUES ('clients', 1), ('signing-keys', 1);
