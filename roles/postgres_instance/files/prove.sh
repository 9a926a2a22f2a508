#!/usr/bin/env bash
# Starts a throw-away cluster with the configuration in /etc/postgresql-config: what cannot be started
# with must not replace what is running.
set -eu
export PGDATA=/tmp/proof
if [ ! -e /etc/postgresql-tls/server.crt ]; then
    # The instance has no certificate yet.
    mkdir /etc/postgresql-tls/private
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=proof \
        -keyout /etc/postgresql-tls/private/server.key -out /etc/postgresql-tls/server.crt 2>/dev/null
    cp /etc/postgresql-tls/server.crt /etc/postgresql-tls/ca.crt
fi
initdb --pgdata="$PGDATA" --username=postgres --auth=reject --no-sync --no-instructions >/dev/null
if [ -e /run/adopted/postgresql.auto.conf ]; then
    cp /run/adopted/postgresql.auto.conf "$PGDATA/"
fi
# (By bash: the candidate may lie where nothing is executed.)
bash /etc/postgresql-config/with_server.sh psql -X -q -A -t -v ON_ERROR_STOP=1 -U postgres -d postgres -c "
LOAD 'vector';
DO \$\$
DECLARE fault text;
BEGIN
    SELECT format('pg_hba.conf line %s: %s', line_number, error) INTO fault FROM pg_hba_file_rules WHERE error IS NOT NULL LIMIT 1;
    IF fault IS NOT NULL THEN RAISE EXCEPTION '%', fault; END IF;
    SELECT format('pg_ident.conf line %s: %s', line_number, error) INTO fault FROM pg_ident_file_mappings WHERE error IS NOT NULL LIMIT 1;
    IF fault IS NOT NULL THEN RAISE EXCEPTION '%', fault; END IF;
    -- A dotted name is taken for a variable of some extension and never refused.
    SELECT format('%s: no such setting', name) INTO fault FROM pg_file_settings WHERE name LIKE '%.%'
        AND NOT EXISTS (SELECT FROM pg_settings s WHERE s.name = pg_file_settings.name) LIMIT 1;
    IF fault IS NOT NULL THEN RAISE EXCEPTION '%', fault; END IF;
END \$\$"
