-- Dumped from a freshly migrated SQLite database by make golden. Not applied by anything.

CREATE TABLE accounts (
    id            TEXT   PRIMARY KEY,
    version       BIGINT NOT NULL,
    status        TEXT   NOT NULL,
    level         TEXT   NOT NULL,
    signed_out_at BIGINT NOT NULL,
    created_at    BIGINT NOT NULL,
    updated_at    BIGINT NOT NULL,
    sealed        BYTEA  NOT NULL
, spared TEXT NOT NULL DEFAULT '');

CREATE TABLE cases (
    id          TEXT   PRIMARY KEY,
    opened_at   BIGINT NOT NULL,
    ends_at     BIGINT NOT NULL,
    answered_at BIGINT NOT NULL,
    sealed      BYTEA  NOT NULL
);

CREATE INDEX cases_by_end ON cases (ends_at);

CREATE TABLE clients (
    id         TEXT   PRIMARY KEY,
    document   TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

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
, sweep_on BIGINT NOT NULL DEFAULT 0, bearer BIGINT NOT NULL DEFAULT 0);

CREATE INDEX families_by_account ON families (account_id, client_id);

CREATE INDEX families_by_sweep ON families (sweep_on);

CREATE TABLE identifiers (
    kind       TEXT NOT NULL,
    hash       TEXT NOT NULL,
    account_id TEXT NOT NULL REFERENCES accounts (id),
    PRIMARY KEY (kind, hash)
);

CREATE INDEX identifiers_by_account ON identifiers (account_id);

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

CREATE TABLE versions (
    name    TEXT   PRIMARY KEY,
    version BIGINT NOT NULL
);
