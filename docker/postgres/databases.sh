#!/bin/bash
# Runs once, on an empty volume: a database and a user for each of the two programs.
set -euo pipefail
psql --username postgres --set ON_ERROR_STOP=1 --quiet \
    --set labelgate="$LABELGATE_DATABASE_PASSWORD" \
    --set labelstudio="$LABEL_STUDIO_DATABASE_PASSWORD" <<'SQL'
CREATE USER labelstudio PASSWORD :'labelstudio';
CREATE DATABASE labelstudio OWNER labelstudio;
REVOKE CONNECT ON DATABASE labelstudio FROM PUBLIC;
CREATE USER labelgate PASSWORD :'labelgate';
CREATE DATABASE labelgate OWNER labelgate;
REVOKE CONNECT ON DATABASE labelgate FROM PUBLIC;
SQL
