#!/bin/sh
# archive_command where there is an off-site repository: archive.sh STANZA [PATH OF A WAL FILE]
#
# The server waits for the local repository alone. What the off-site one could not take is noted, and brought there from the local one as soon as it
# answers; without a path, that is all that is done. pgBackRest's own asynchronous way is none here: its background process becomes a child of the
# container's first process, which is the server, and the server takes the failure of an unknown child for a crash and starts anew.
set -u
stanza=$1
path=${2:-}
missed=/var/lib/pgbackrest/offsite-missed
pause=/tmp/pgbackrest-offsite-pause
fetched=/tmp/pgbackrest-offsite-wal.$$
at_a_time=8

local_repository() { pgbackrest --stanza="$stanza" "$@"; }
offsite_repository() { pgbackrest --config=/etc/pgbackrest/offsite.conf --stanza="$stanza" "$@"; }

mkdir -p "$missed"
if [ -n "$path" ]; then
  local_repository archive-push "$path" || exit
  # While it does not answer it is asked once a minute, since each time takes seconds.
  if [ -n "$(find "$pause" -mmin -1 2>/dev/null)" ]; then
    : >"$missed/${path##*/}"
    exit 0
  fi
  if ! offsite_repository archive-push "$path"; then
    : >"$missed/${path##*/}"
    : >"$pause"
    exit 0
  fi
else
  at_a_time=1000000
fi
rm -f "$pause"

mkdir -p "$fetched"
find "$missed" -type f | sort | head -n "$at_a_time" | while IFS= read -r note; do
  name=${note##*/}
  # What is not in the local repository any more was too old.
  if local_repository archive-get "$name" "$fetched/$name"; then
    if ! offsite_repository archive-push "$fetched/$name"; then
      : >"$pause"
      break
    fi
  fi
  rm -f "$note" "$fetched/$name"
done
rm -rf "$fetched"
exit 0
