#!/bin/sh
# archive_command where there is an off-site repository: archive.sh STANZA [PATH OF A WAL FILE]
#
# The server waits for the local repository, and a bounded time for the off-site one. What that could not take by then is noted, and brought there from
# the local one as soon as it answers; without a path, that is all that is done, and it takes its time. pgBackRest's own asynchronous way is none here: its background process becomes a child of the
# container's first process, which is the server, and the server takes the failure of an unknown child for a crash and starts anew.
set -u
stanza=$1
path=${2:-}
missed=/var/lib/pgbackrest/offsite-missed
pause=/tmp/pgbackrest-offsite-pause
fetched=/tmp/pgbackrest-offsite-wal.$$
# Seconds that the off-site repository may take for one file, and that a call goes on with those that were missed.
patience=20

local_repository() { pgbackrest --stanza="$stanza" "$@"; }
offsite_repository() { timeout "$patience" pgbackrest --config=/etc/pgbackrest/offsite.conf --stanza="$stanza" "$@"; }

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
  patience=3600
fi
rm -f "$pause"

mkdir -p "$fetched"
refused=0
give_up=$(($(date +%s) + patience))
find "$missed" -type f | sort | while IFS= read -r note; do
  [ "$(date +%s)" -lt "$give_up" ] || break
  name=${note##*/}
  local_repository archive-get "$name" "$fetched/$name"
  case $? in
    0)
      # One that is refused must not keep the others back; two of them, and the repository does not answer.
      if ! offsite_repository archive-push "$fetched/$name"; then
        rm -f "$fetched/$name"
        refused=$((refused + 1))
        [ "$refused" -lt 2 ] && continue
        : >"$pause"
        break
      fi
      ;;
    1) ;; # Not in the local repository any more: it was too old.
    *) break ;;
  esac
  rm -f "$note" "$fetched/$name"
done
rm -rf "$fetched"
exit 0
