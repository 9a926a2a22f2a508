#!/usr/bin/env bash
# Brings the cluster in $PGDATA to the point where it can be served: initdb where there is none yet,
# then the first start's scripts, then the mark that says that all of it was done. It may be run again.
#   initialise.sh SCRIPT [INITDB_OPTION...]
set -eu
umask 077
script=$1
shift
if [ ! -s "$PGDATA/PG_VERSION" ]; then
    initdb --pgdata="$PGDATA" --username=postgres --pwfile=/run/secrets/superuser_password --no-instructions "$@"
fi
exec /etc/postgresql-config/with_server.sh \
    psql -X -q -v ON_ERROR_STOP=1 -U postgres -d postgres \
    -f /docker-entrypoint-initdb.d/aa_before.sql -f "/docker-entrypoint-initdb.d/$script" \
    -f /docker-entrypoint-initdb.d/zz_initialised.sql
