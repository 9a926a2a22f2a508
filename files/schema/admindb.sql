-- admindb: logs, settings, knowledge bases and their embeddings, for ai-micro-api-admin.

SET client_min_messages = warning;

CREATE EXTENSION IF NOT EXISTS "uuid-ossp";
CREATE EXTENSION IF NOT EXISTS vector;

CREATE TABLE IF NOT EXISTS system_logs (
    id           uuid PRIMARY KEY DEFAULT uuid_generate_v4(),
    service_name varchar NOT NULL,
    level        varchar NOT NULL,
    message      text NOT NULL,
    log_metadata json,
    created_at   timestamp NOT NULL DEFAULT now()
);

CREATE INDEX IF NOT EXISTS idx_system_logs_service ON system_logs (service_name);
CREATE INDEX IF NOT EXISTS idx_system_logs_level ON system_logs (level);
CREATE INDEX IF NOT EXISTS idx_system_logs_created_at ON system_logs (created_at);

CREATE TABLE IF NOT EXISTS login_logs (
    id         uuid PRIMARY KEY DEFAULT uuid_generate_v4(),
    user_id    uuid NOT NULL,
    ip_address varchar,
    success    boolean NOT NULL,
    created_at timestamp NOT NULL DEFAULT now()
);

CREATE INDEX IF NOT EXISTS idx_login_logs_user_id ON login_logs (user_id);
CREATE INDEX IF NOT EXISTS idx_login_logs_created_at ON login_logs (created_at);

CREATE TABLE IF NOT EXISTS system_settings (
    id         uuid PRIMARY KEY DEFAULT uuid_generate_v4(),
    key        varchar NOT NULL UNIQUE,
    value      json NOT NULL,
    created_at timestamp NOT NULL DEFAULT now(),
    updated_at timestamp NOT NULL DEFAULT now()
);

CREATE INDEX IF NOT EXISTS idx_system_settings_key ON system_settings (key);

CREATE TABLE IF NOT EXISTS knowledge_bases (
    id                  uuid PRIMARY KEY DEFAULT uuid_generate_v4(),
    name                varchar NOT NULL,
    description         text,
    permissions         json NOT NULL DEFAULT '[]',
    prompt              text,
    user_id             uuid NOT NULL,
    status              varchar NOT NULL DEFAULT 'active',
    is_public           boolean NOT NULL DEFAULT false,
    document_count      integer NOT NULL DEFAULT 0,
    storage_size        bigint NOT NULL DEFAULT 0,
    last_accessed_at    timestamp,
    processing_settings json DEFAULT '{}',
    search_settings     json DEFAULT '{}',
    tags                text[] DEFAULT '{}',
    category            varchar,
    version             integer NOT NULL DEFAULT 1,
    created_at          timestamp NOT NULL DEFAULT now(),
    updated_at          timestamp NOT NULL DEFAULT now()
);

CREATE INDEX IF NOT EXISTS idx_knowledge_bases_user_id ON knowledge_bases (user_id);
CREATE INDEX IF NOT EXISTS idx_knowledge_bases_status ON knowledge_bases (status);
CREATE INDEX IF NOT EXISTS idx_knowledge_bases_category ON knowledge_bases (category);
CREATE INDEX IF NOT EXISTS idx_knowledge_bases_tags ON knowledge_bases USING gin (tags);

CREATE TABLE IF NOT EXISTS documents (
    id                  uuid PRIMARY KEY DEFAULT uuid_generate_v4(),
    knowledge_base_id   uuid REFERENCES knowledge_bases (id) ON DELETE CASCADE,
    filename            varchar NOT NULL,
    original_filename   varchar NOT NULL,
    file_path           varchar NOT NULL,
    processing_path     varchar,
    mime_type           varchar NOT NULL,
    file_size           bigint NOT NULL,
    status              varchar NOT NULL DEFAULT 'uploaded',
    processing_metadata json,
    text_content        text,
    user_id             uuid,
    is_public           boolean DEFAULT false,
    tags                text[] DEFAULT '{}',
    category            varchar,
    original_metadata   jsonb,
    edited_metadata     jsonb,
    editing_status      varchar DEFAULT 'unedited',
    last_edited_at      timestamp,
    edited_by           uuid,
    created_at          timestamp NOT NULL DEFAULT now(),
    updated_at          timestamp NOT NULL DEFAULT now(),
    CONSTRAINT check_owner CHECK (knowledge_base_id IS NOT NULL OR user_id IS NOT NULL)
);

CREATE INDEX IF NOT EXISTS idx_documents_kb_id ON documents (knowledge_base_id);
CREATE INDEX IF NOT EXISTS idx_documents_user_id ON documents (user_id);
CREATE INDEX IF NOT EXISTS idx_documents_status ON documents (status);
CREATE INDEX IF NOT EXISTS idx_documents_filename ON documents (filename);
CREATE INDEX IF NOT EXISTS idx_documents_category ON documents (category);
CREATE INDEX IF NOT EXISTS idx_documents_is_public ON documents (is_public);
CREATE INDEX IF NOT EXISTS idx_documents_editing_status ON documents (editing_status);
CREATE INDEX IF NOT EXISTS idx_documents_last_edited_at ON documents (last_edited_at);
CREATE INDEX IF NOT EXISTS idx_documents_edited_by ON documents (edited_by);
CREATE INDEX IF NOT EXISTS idx_documents_tags ON documents USING gin (tags);

CREATE TABLE IF NOT EXISTS langchain_pg_collection (
    uuid       uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name       varchar(255) NOT NULL UNIQUE,
    cmetadata  jsonb DEFAULT '{}',
    created_at timestamptz DEFAULT now(),
    updated_at timestamptz DEFAULT now()
);

-- A superset that serves both LangChain clients: langchain_postgres inserts and upserts by the text
-- "id", langchain_community by "uuid" and "custom_id".
CREATE TABLE IF NOT EXISTS langchain_pg_embedding (
    id            varchar PRIMARY KEY DEFAULT gen_random_uuid()::text,
    uuid          uuid NOT NULL UNIQUE DEFAULT gen_random_uuid(),
    collection_id uuid REFERENCES langchain_pg_collection (uuid) ON DELETE CASCADE,
    embedding     vector(768),
    document      text,
    cmetadata     jsonb DEFAULT '{}',
    custom_id     varchar(255),
    document_id   uuid REFERENCES documents (id) ON DELETE CASCADE,
    chunk_index   integer DEFAULT 0,
    created_at    timestamptz DEFAULT now(),
    updated_at    timestamptz DEFAULT now()
);

CREATE INDEX IF NOT EXISTS langchain_pg_embedding_collection_id_idx ON langchain_pg_embedding (collection_id);
CREATE INDEX IF NOT EXISTS langchain_pg_embedding_custom_id_idx ON langchain_pg_embedding (custom_id);
CREATE INDEX IF NOT EXISTS langchain_pg_embedding_document_id_idx ON langchain_pg_embedding (document_id);
CREATE INDEX IF NOT EXISTS ix_cmetadata_gin ON langchain_pg_embedding USING gin (cmetadata jsonb_path_ops);

INSERT INTO langchain_pg_collection (name, cmetadata)
VALUES ('admin_documents', '{"model": "nomic-embed-text", "dimensions": 768, "distance": "cosine"}')
ON CONFLICT (name) DO NOTHING;

INSERT INTO system_settings (key, value)
VALUES ('schema_version', json_build_object('version', '1.0.0', 'applied_at', now()))
ON CONFLICT (key) DO NOTHING;
