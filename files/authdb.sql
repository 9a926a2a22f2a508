-- authdb alone, for an instance that serves no other database (inventories/split): init.sql's lines about it.

\set ON_ERROR_STOP on

SELECT 'CREATE DATABASE authdb' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'authdb') \gexec

\connect authdb
\ir schema/authdb.sql
