#!/usr/bin/env bash
# Runs a command while a server without network is up on the cluster in $PGDATA, and stops it again.
#   with_server.sh COMMAND [ARGUMENT...]
set -eu
log=/tmp/server.log
if ! pg_ctl --pgdata="$PGDATA" --wait --silent --log="$log" \
    --options="-c config_file=/etc/postgresql-config/postgresql.conf -c listen_addresses='' -c archive_mode=off" start; then
    cat "$log"
    exit 1
fi
status=0
"$@" || status=$?
pg_ctl --pgdata="$PGDATA" --wait --silent --mode=fast stop
exit "$status"
