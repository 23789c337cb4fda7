-- PostgreSQL's image runs this once, as the superuser, when its data directory is empty: a role and its own databases
-- for Gleaner, another for Temporal, and neither may open what is the other's.
\getenv database_password DATABASE_PASSWORD
\getenv temporal_password TEMPORAL_DATABASE_PASSWORD

CREATE ROLE gleaner LOGIN PASSWORD :'database_password';
CREATE DATABASE gleaner OWNER gleaner;
REVOKE CONNECT ON DATABASE gleaner FROM PUBLIC;

CREATE ROLE temporal LOGIN PASSWORD :'temporal_password';
CREATE DATABASE temporal OWNER temporal;
CREATE DATABASE temporal_visibility OWNER temporal;
REVOKE CONNECT ON DATABASE temporal, temporal_visibility FROM PUBLIC;

-- The migrations ask for these too, but only a superuser may create `vector`.
\connect gleaner
CREATE EXTENSION btree_gist;
CREATE EXTENSION pg_trgm;
CREATE EXTENSION vector;
