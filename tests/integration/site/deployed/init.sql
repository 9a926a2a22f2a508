-- What the replaced deployment's init.sql made (spec "deployed databases"), with rows in every table.
CREATE DATABASE authdb;
CREATE DATABASE apidb;
CREATE DATABASE admindb;

\c authdb
CREATE EXTENSION IF NOT EXISTS "uuid-ossp";
CREATE TABLE users (
    id uuid PRIMARY KEY DEFAULT uuid_generate_v4(), email text NOT NULL UNIQUE, password_hash text NOT NULL,
    roles text[] NOT NULL DEFAULT ARRAY['user'], created_at timestamp NOT NULL DEFAULT now(), updated_at timestamp NOT NULL DEFAULT now(),
    is_active boolean DEFAULT true, login_attempts integer DEFAULT 0, last_login_at timestamp, locked_until timestamp);
CREATE INDEX idx_users_email ON users (email);
INSERT INTO users (email, password_hash) SELECT 'user' || n || '@example.com', md5(n::text) FROM generate_series(1, 200) n;
INSERT INTO users (email, password_hash, locked_until) VALUES ('Ökonom''s "mail"@example.com', E'h\\a\nsh', '2026-01-01');

\c apidb
CREATE EXTENSION IF NOT EXISTS "uuid-ossp";
CREATE TABLE profiles (
    id uuid PRIMARY KEY DEFAULT uuid_generate_v4(), user_id uuid NOT NULL UNIQUE, name text, address text, phone text,
    created_at timestamp NOT NULL DEFAULT now(), updated_at timestamp NOT NULL DEFAULT now(), first_name text, last_name text);
CREATE INDEX idx_profiles_user_id ON profiles (user_id);
INSERT INTO profiles (user_id, name) SELECT uuid_generate_v4(), 'name ' || n FROM generate_series(1, 50) n;

\c admindb
CREATE EXTENSION IF NOT EXISTS "uuid-ossp";
CREATE EXTENSION IF NOT EXISTS vector;
CREATE TABLE system_logs (
    id uuid PRIMARY KEY DEFAULT uuid_generate_v4(), service_name varchar NOT NULL, level varchar NOT NULL, message text NOT NULL,
    log_metadata json, created_at timestamp NOT NULL DEFAULT now());
CREATE INDEX idx_system_logs_service ON system_logs (service_name);
CREATE INDEX idx_system_logs_level ON system_logs (level);
CREATE INDEX idx_system_logs_created_at ON system_logs (created_at);
CREATE TABLE login_logs (
    id uuid PRIMARY KEY DEFAULT uuid_generate_v4(), user_id uuid NOT NULL, ip_address varchar, success boolean NOT NULL,
    created_at timestamp NOT NULL DEFAULT now());
CREATE INDEX idx_login_logs_user_id ON login_logs (user_id);
CREATE INDEX idx_login_logs_created_at ON login_logs (created_at);
CREATE TABLE system_settings (
    id uuid PRIMARY KEY DEFAULT uuid_generate_v4(), key varchar NOT NULL UNIQUE, value json NOT NULL,
    created_at timestamp NOT NULL DEFAULT now(), updated_at timestamp NOT NULL DEFAULT now());
CREATE INDEX idx_system_settings_key ON system_settings (key);
CREATE TABLE knowledge_bases (
    id uuid PRIMARY KEY DEFAULT uuid_generate_v4(), name varchar NOT NULL, description text, permissions json NOT NULL DEFAULT '[]',
    prompt text, user_id uuid NOT NULL, status varchar NOT NULL DEFAULT 'active', is_public boolean NOT NULL DEFAULT false,
    document_count integer NOT NULL DEFAULT 0, storage_size bigint NOT NULL DEFAULT 0, last_accessed_at timestamp,
    processing_settings json DEFAULT '{}', search_settings json DEFAULT '{}', tags text[] DEFAULT '{}', category varchar,
    version integer NOT NULL DEFAULT 1, created_at timestamp NOT NULL DEFAULT now(), updated_at timestamp NOT NULL DEFAULT now());
CREATE INDEX idx_knowledge_bases_user_id ON knowledge_bases (user_id);
CREATE INDEX idx_knowledge_bases_status ON knowledge_bases (status);
CREATE INDEX idx_knowledge_bases_category ON knowledge_bases (category);
CREATE INDEX idx_knowledge_bases_tags ON knowledge_bases USING gin (tags);
CREATE TABLE documents (
    id uuid PRIMARY KEY DEFAULT uuid_generate_v4(), knowledge_base_id uuid REFERENCES knowledge_bases (id) ON DELETE CASCADE,
    filename varchar NOT NULL, original_filename varchar NOT NULL, file_path varchar NOT NULL, processing_path varchar,
    mime_type varchar NOT NULL, file_size bigint NOT NULL, status varchar NOT NULL DEFAULT 'uploaded', processing_metadata json,
    text_content text, user_id uuid, is_public boolean DEFAULT false, tags text[] DEFAULT '{}', category varchar,
    original_metadata jsonb, edited_metadata jsonb, editing_status varchar DEFAULT 'unedited', last_edited_at timestamp,
    edited_by uuid, created_at timestamp NOT NULL DEFAULT now(), updated_at timestamp NOT NULL DEFAULT now(),
    CONSTRAINT check_owner CHECK (knowledge_base_id IS NOT NULL OR user_id IS NOT NULL));
CREATE INDEX idx_documents_kb_id ON documents (knowledge_base_id);
CREATE INDEX idx_documents_user_id ON documents (user_id);
CREATE INDEX idx_documents_status ON documents (status);
CREATE INDEX idx_documents_filename ON documents (filename);
CREATE INDEX idx_documents_category ON documents (category);
CREATE INDEX idx_documents_is_public ON documents (is_public);
CREATE INDEX idx_documents_editing_status ON documents (editing_status);
CREATE INDEX idx_documents_last_edited_at ON documents (last_edited_at);
CREATE INDEX idx_documents_edited_by ON documents (edited_by);
CREATE INDEX idx_documents_tags ON documents USING gin (tags);
CREATE TABLE langchain_pg_collection (
    uuid uuid PRIMARY KEY DEFAULT gen_random_uuid(), name varchar(255) NOT NULL UNIQUE, cmetadata jsonb DEFAULT '{}',
    created_at timestamptz DEFAULT now(), updated_at timestamptz DEFAULT now());
CREATE TABLE langchain_pg_embedding (
    uuid uuid PRIMARY KEY DEFAULT gen_random_uuid(), collection_id uuid REFERENCES langchain_pg_collection (uuid) ON DELETE CASCADE,
    embedding vector(768), document text NOT NULL, cmetadata jsonb DEFAULT '{}', custom_id varchar(255),
    document_id uuid REFERENCES documents (id) ON DELETE CASCADE, chunk_index integer DEFAULT 0,
    created_at timestamptz DEFAULT now(), updated_at timestamptz DEFAULT now());
CREATE INDEX langchain_pg_embedding_collection_id_idx ON langchain_pg_embedding (collection_id);
CREATE INDEX langchain_pg_embedding_custom_id_idx ON langchain_pg_embedding (custom_id);
CREATE INDEX langchain_pg_embedding_document_id_idx ON langchain_pg_embedding (document_id);

INSERT INTO langchain_pg_collection (name, cmetadata)
VALUES ('admin_documents', '{"model": "nomic-embed-text", "dimensions": 768, "distance": "cosine"}');
INSERT INTO system_settings (key, value)
VALUES ('schema_version', json_build_object('version', '1.0.0', 'applied_at', now())), ('theme', '{"dark": true}');
INSERT INTO system_logs (service_name, level, message) SELECT 'auth', 'info', 'message ' || n FROM generate_series(1, 100) n;
INSERT INTO login_logs (user_id, ip_address, success) SELECT uuid_generate_v4(), '10.0.0.1', n % 2 = 0 FROM generate_series(1, 30) n;
INSERT INTO knowledge_bases (name, user_id, tags) VALUES ('Handbuch', uuid_generate_v4(), '{ä,b}'), ('Manual', uuid_generate_v4(), '{}');
INSERT INTO documents (knowledge_base_id, filename, original_filename, file_path, mime_type, file_size, tags)
SELECT id, name || '.pdf', name, '/files/' || name, 'application/pdf', 4711, '{x,y}' FROM knowledge_bases;
INSERT INTO langchain_pg_embedding (collection_id, embedding, document, custom_id, document_id, chunk_index)
SELECT c.uuid, array_fill(0.001 * n, ARRAY[768])::vector, 'chunk ' || n, 'custom-' || n, d.id, n
FROM langchain_pg_collection c, documents d, generate_series(1, 20) n;
