-- apidb alone, for an instance that serves no other database (inventories/split): init.sql's lines about it.

\set ON_ERROR_STOP on

SELECT 'CREATE DATABASE apidb' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'apidb') \gexec

\connect apidb
\ir schema/apidb.sql
