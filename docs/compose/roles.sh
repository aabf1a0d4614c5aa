#!/usr/bin/env bash
# Runs once, when the database is made: the application's role. It gets its rights from the migrations.
set -euo pipefail
psql --set=ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" --set=password="$APP_PASSWORD" <<'SQL'
create role app login password :'password';
SQL
