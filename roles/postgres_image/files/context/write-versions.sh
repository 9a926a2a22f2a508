#!/usr/bin/env bash
# write-versions.sh ROOT PACKAGE: what the image holds, as JSON, for its labels. ROOT holds the pgvector files.
set -euo pipefail
root=$1 package=$2
installed() { dpkg-query --show --showformat '${Version}' "$1"; }

mkdir -p "$root/usr/share/ai-micro-postgres"
printf '{"postgresql": "%s", "pgvector": "%s", "pgvector_package": "%s", "pgbackrest": "%s", "pgaudit": "%s"}\n' \
    "$(postgres --version | sed 's/^[^0-9]*\([0-9.]*\).*/\1/')" \
    "$(sed -n "s/^default_version = '\(.*\)'/\1/p" "$root/usr/share/postgresql/15/extension/vector.control")" \
    "$package" \
    "$(pgbackrest version | sed 's/^[^0-9]*//')" \
    "$(installed postgresql-15-pgaudit)" >"$root/usr/share/ai-micro-postgres/versions.json"
