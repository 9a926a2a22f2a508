-- The schema of ai-micro-postgres: the one source of truth.
--
-- A psql script. The container runs it on its first start, the collection verifies every database
-- against it afterwards. It may be run again at any time: it adds what is missing, changes nothing
-- that exists and removes nothing.
--
--     psql -U postgres -d postgres -f files/init.sql

\set ON_ERROR_STOP on

SELECT 'CREATE DATABASE authdb' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'authdb') \gexec
SELECT 'CREATE DATABASE apidb' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'apidb') \gexec
SELECT 'CREATE DATABASE admindb' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'admindb') \gexec

\connect authdb
\ir schema/authdb.sql

\connect apidb
\ir schema/apidb.sql

\connect admindb
\ir schema/admindb.sql
