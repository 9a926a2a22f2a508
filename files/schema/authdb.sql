-- authdb: accounts and sign-in, for ai-micro-api-auth.

SET client_min_messages = warning;

CREATE EXTENSION IF NOT EXISTS "uuid-ossp";

CREATE TABLE IF NOT EXISTS users (
    id             uuid PRIMARY KEY DEFAULT uuid_generate_v4(),
    email          text NOT NULL UNIQUE,
    password_hash  text NOT NULL,
    roles          text[] NOT NULL DEFAULT ARRAY['user'],
    created_at     timestamp NOT NULL DEFAULT now(),
    updated_at     timestamp NOT NULL DEFAULT now(),
    is_active      boolean DEFAULT true,
    login_attempts integer DEFAULT 0,
    last_login_at  timestamp,
    locked_until   timestamp
);

CREATE INDEX IF NOT EXISTS idx_users_email ON users (email);
