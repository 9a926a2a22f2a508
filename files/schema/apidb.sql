-- apidb: user profiles, for ai-micro-api-user. user_id refers to authdb.users.id across databases,
-- so it has no constraint; the orphan check looks after it.

SET client_min_messages = warning;

CREATE EXTENSION IF NOT EXISTS "uuid-ossp";

CREATE TABLE IF NOT EXISTS profiles (
    id         uuid PRIMARY KEY DEFAULT uuid_generate_v4(),
    user_id    uuid NOT NULL UNIQUE,
    name       text,
    address    text,
    phone      text,
    created_at timestamp NOT NULL DEFAULT now(),
    updated_at timestamp NOT NULL DEFAULT now(),
    first_name text,
    last_name  text
);

CREATE INDEX IF NOT EXISTS idx_profiles_user_id ON profiles (user_id);
