#!/bin/sh
# Brings Temporal's two databases to the schema of this version of the server. Running it again changes nothing.
# Needs SQL_HOST, SQL_USER and SQL_PASSWORD; temporal-sql-tool reads the last by itself.
set -eu

schema=/etc/temporal/schema/postgresql/v12

upgrade() {
    temporal-sql-tool --plugin postgres12 --endpoint "$SQL_HOST" --port 5432 --user "$SQL_USER" --database "$1" \
        setup-schema --version 0.0
    temporal-sql-tool --plugin postgres12 --endpoint "$SQL_HOST" --port 5432 --user "$SQL_USER" --database "$1" \
        update-schema --schema-dir "$schema/$2/versioned"
}

upgrade temporal temporal
upgrade temporal_visibility visibility
