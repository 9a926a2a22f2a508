#!/usr/bin/env bash
# Starts PostgreSQL by the contract of the official image: an empty PGDATA is initialised first, from POSTGRES_* and
# /docker-entrypoint-initdb.d; one that holds PG_VERSION is started untouched. A password is in no argument list, and in
# the environment of no server.
set -Eeuo pipefail
umask 077

init_dir=/docker-entrypoint-initdb.d
running='' # the init file being run, for the last words of a failure

say() { printf 'docker-entrypoint: %s\n' "$*"; }
die() {
    running=''
    say "$*" >&2
    exit 1
}

# shellcheck disable=SC2317  # called by the trap
last_words() {
    local status=$?
    if [[ $status -ne 0 && -n $running ]]; then
        say "$running failed (exit code $status), so the cluster in $PGDATA is only half initialised:" \
            "mend the file, empty the directory or volume, and start again." >&2
    fi
}
trap last_words EXIT

# read_setting VAR [DEFAULT]: VAR from the environment, or from the file that VAR_FILE names, or DEFAULT.
read_setting() {
    local name=$1 file_name=${1}_FILE value=${2:-}
    local file=${!file_name:-}
    if [[ -n $file ]]; then
        [[ -z ${!name:-} ]] || die "both $name and $file_name are set: give one of them."
        value=$(cat "$file" 2>/dev/null) || die "$file_name names $file, which user $(id -u) cannot read: mend its path, owner or mode."
    elif [[ -n ${!name:-} ]]; then
        value=${!name}
    fi
    printf -v "$name" '%s' "$value"
    unset "$file_name"
}

read_settings() {
    # Of a start as root the password comes by a file descriptor, since the environment of PID 1 can be read.
    if [[ -n ${POSTGRES_PASSWORD_FD:-} ]]; then
        POSTGRES_PASSWORD=$(cat <&"$POSTGRES_PASSWORD_FD")
        exec {POSTGRES_PASSWORD_FD}<&-
        unset POSTGRES_PASSWORD_FD
    fi
    read_setting POSTGRES_PASSWORD
    read_setting POSTGRES_USER postgres
    read_setting POSTGRES_DB "$POSTGRES_USER"
    read_setting POSTGRES_INITDB_ARGS
}

# only_tells ARG...: is it a call for help or a version, which needs no cluster?
only_tells() {
    local arg
    for arg; do
        case $arg in -'?' | --help | --describe-config | -V | --version) return 0 ;; esac
    done
    return 1
}

initialised() { [[ -s $PGDATA/PG_VERSION ]]; }

prepare_directories() {
    local dir
    local -a owned=("$PGDATA" /var/run/postgresql)
    mkdir -p "$PGDATA"
    chmod 700 "$PGDATA" || :
    mkdir -p /var/run/postgresql || :
    chmod 3775 /var/run/postgresql 2>/dev/null || :
    if [[ -n ${POSTGRES_INITDB_WALDIR:-} ]]; then
        mkdir -p "$POSTGRES_INITDB_WALDIR"
        chmod 700 "$POSTGRES_INITDB_WALDIR" || :
        owned+=("$POSTGRES_INITDB_WALDIR")
    fi
    if ((EUID == 0)); then
        for dir in "${owned[@]}"; do
            find "$dir" \! -user postgres -exec chown postgres '{}' +
        done
    fi
}

# initdb looks its user up: an id of the caller's choice (--user 1234) gets a name for as long as this script runs.
name_user() {
    local library
    getent passwd "$EUID" >/dev/null && return
    library=$(find /usr/lib -name libnss_wrapper.so -print -quit)
    [[ -n $library ]] || return 0
    NSS_WRAPPER_PASSWD=$(mktemp)
    NSS_WRAPPER_GROUP=$(mktemp)
    printf 'postgres:x:%s:%s:PostgreSQL:%s:/bin/false\n' "$EUID" "$(id -g)" "$PGDATA" >"$NSS_WRAPPER_PASSWD"
    printf 'postgres:x:%s:\n' "$(id -g)" >"$NSS_WRAPPER_GROUP"
    export NSS_WRAPPER_PASSWD NSS_WRAPPER_GROUP LD_PRELOAD=$library
}

unname_user() {
    [[ -z ${NSS_WRAPPER_PASSWD:-} ]] || rm -f "$NSS_WRAPPER_PASSWD" "$NSS_WRAPPER_GROUP"
    unset LD_PRELOAD NSS_WRAPPER_PASSWD NSS_WRAPPER_GROUP
}

check_password() {
    if [[ ${POSTGRES_HOST_AUTH_METHOD:-} == trust ]]; then
        say "POSTGRES_HOST_AUTH_METHOD=trust lets everybody who reaches the server in, without a password." >&2
    elif [[ -z $POSTGRES_PASSWORD ]]; then
        die "the superuser has no password: give POSTGRES_PASSWORD or POSTGRES_PASSWORD_FILE a non-empty value."
    fi
}

create_cluster() {
    local words
    local -a args=()
    words=$(xargs -r printf '%s\n' <<<"$POSTGRES_INITDB_ARGS") ||
        die "POSTGRES_INITDB_ARGS has an unmatched quote: $POSTGRES_INITDB_ARGS"
    [[ -z $words ]] || mapfile -t args <<<"$words"
    [[ -z ${POSTGRES_INITDB_WALDIR:-} ]] || args=(--waldir="$POSTGRES_INITDB_WALDIR" "${args[@]}")
    name_user
    if [[ -n $POSTGRES_PASSWORD ]]; then
        initdb --username="$POSTGRES_USER" --pwfile=<(printf '%s\n' "$POSTGRES_PASSWORD") "${args[@]}"
    else
        initdb --username="$POSTGRES_USER" "${args[@]}"
    fi
    unname_user
}

# allow_clients ARG...: the server's arguments, which may set password_encryption.
allow_clients() {
    local method=${POSTGRES_HOST_AUTH_METHOD:-}
    [[ -n $method ]] || method=$(postgres -C password_encryption "${@:2}")
    printf '\n# Added by docker-entrypoint.sh: every other client.\nhost all all all %s\n' "$method" >>"$PGDATA/pg_hba.conf"
}

# start_for_init ARG...: on the socket only, with the arguments the server will have, and without any secret.
start_for_init() {
    (
        unset POSTGRES_PASSWORD PGUSER NOTIFY_SOCKET
        pg_ctl -D "$PGDATA" -w -t 300 -o "$(printf '%q ' "${@:2}" -c listen_addresses= -p "${PGPORT:-5432}")" start
    )
}

# The name by which init files that are sourced call psql in the official image.
docker_process_sql() {
    local -a database=()
    [[ -z ${POSTGRES_DB:-} ]] || database=(--dbname="$POSTGRES_DB")
    PGHOST='' PGHOSTADDR='' psql -v ON_ERROR_STOP=1 --no-psqlrc --no-password --username="$POSTGRES_USER" "${database[@]}" "$@"
}

create_database() {
    [[ $POSTGRES_DB != postgres ]] || return 0
    local name=$POSTGRES_DB
    POSTGRES_DB=postgres docker_process_sql --quiet --set=db="$name" <<'SQL'
SELECT format('CREATE DATABASE %I', :'db') WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'db') \gexec
SQL
}

run_init_files() {
    local file
    local -a files
    [[ -r $init_dir ]] || die "user $(id -u) cannot read $init_dir: mend the mount's owner or mode."
    mapfile -d '' -t files < <(
        export LC_ALL=C # names in the same order whatever the locale
        shopt -s nullglob
        printf '%s\0' "$init_dir"/*
    )
    for file in "${files[@]}"; do
        [[ -n $file ]] || continue
        running=$file
        case $file in
        *.sh)
            if [[ -x $file ]]; then
                say "running $file"
                "$file"
            else
                say "sourcing $file"
                # shellcheck source=/dev/null
                . "$file"
            fi
            ;;
        # -f and not a pipe: psql then names file and line of an error, and \ir finds the files beside.
        *.sql) say "running $file" && docker_process_sql -f "$file" ;;
        *.sql.gz) say "running $file" && gunzip -c "$file" | docker_process_sql ;;
        *.sql.xz) say "running $file" && xzcat "$file" | docker_process_sql ;;
        *.sql.zst) say "running $file" && zstd -dc "$file" | docker_process_sql ;;
        *) say "ignoring $file" ;;
        esac
    done
    running=''
}

initialise() {
    read_settings
    check_password
    create_cluster
    allow_clients "$@"
    start_for_init "$@"
    export POSTGRES_USER POSTGRES_DB POSTGRES_PASSWORD PGPASSWORD="${PGPASSWORD:-$POSTGRES_PASSWORD}"
    create_database
    run_init_files
    unset PGPASSWORD
    pg_ctl -D "$PGDATA" -m fast -w stop
    say "the cluster in $PGDATA is initialised."
}

main() {
    [[ ${1:-} != -* ]] || set -- postgres "$@"
    if [[ ${1:-} == postgres ]] && ! only_tells "$@"; then
        prepare_directories
        if ((EUID == 0)); then
            if ! initialised; then
                read_settings # a secret may be readable for root alone
                export POSTGRES_USER POSTGRES_DB POSTGRES_INITDB_ARGS
            fi
            local secret=${POSTGRES_PASSWORD:-}
            unset POSTGRES_PASSWORD POSTGRES_PASSWORD_FILE
            if [[ -n $secret ]]; then
                POSTGRES_PASSWORD_FD=9 exec gosu postgres "${BASH_SOURCE[0]}" "$@" 9<<<"$secret"
            fi
            exec gosu postgres "${BASH_SOURCE[0]}" "$@"
        fi
        if initialised; then
            say "PGDATA $PGDATA holds a cluster: it is started as it is."
        else
            initialise "$@"
        fi
        [[ -z ${POSTGRES_PASSWORD_FD:-} ]] || exec {POSTGRES_PASSWORD_FD}<&-
        unset POSTGRES_PASSWORD POSTGRES_PASSWORD_FD
    fi
    exec "$@"
}

# Sourced by a script that wants only the functions, it does nothing.
[[ ${BASH_SOURCE[0]} != "$0" ]] || main "$@"
