#!/bin/sh
# Hook of mmdebstrap, called with the path of the new root: once before and once after the packages are installed.
# POSTGRES_IMAGE_LOCALES: the locales to generate, as in "en_US.UTF-8 de_DE.UTF-8".
set -eu
root=$1

case $MMDEBSTRAP_HOOK in
essential)
    # The official image's ids: a volume's files belong to 999, so the packages must not take another one.
    # (No useradd yet at this point.)
    echo 'postgres:x:999:' >>"$root/etc/group"
    echo 'postgres:x:999:999:PostgreSQL:/var/lib/postgresql:/bin/bash' >>"$root/etc/passwd"
    # Not by --dpkgopt: mmdebstrap would then filter each archive in Perl, which takes a quarter of a minute.
    printf '%s\n' force-unsafe-io 'path-exclude=/usr/share/doc/*' 'path-include=/usr/share/doc/*/copyright' \
        'path-exclude=/usr/share/man/*' 'path-exclude=/usr/share/info/*' \
        'path-exclude=/usr/share/locale/*/LC_MESSAGES/*' 'path-include=/usr/share/locale/*/LC_MESSAGES/*-15.mo' \
        >"$root/etc/dpkg/dpkg.cfg.d/no-documentation"
    mkdir -p "$root/etc/postgresql-common"
    echo 'create_main_cluster = false' >"$root/etc/postgresql-common/createcluster.conf"
    ;;
customize)
    for locale in $POSTGRES_IMAGE_LOCALES; do
        chroot "$root" localedef -i "${locale%%.*}" -c -f "${locale#*.}" -A /usr/share/locale/locale.alias "$locale"
    done
    # As in the official image a server is reachable from outside of its container unless told otherwise.
    sed -i "s/^#*listen_addresses = .*/listen_addresses = '*'/" "$root/usr/share/postgresql/15/postgresql.conf.sample"
    # The key that ssl-cert makes would be the same, known secret in every container.
    rm -f "$root/etc/ssl/private/ssl-cert-snakeoil.key" "$root/etc/ssl/certs/ssl-cert-snakeoil.pem"
    mkdir -p "$root/docker-entrypoint-initdb.d" "$root/var/lib/postgresql/data" "$root/run/postgresql"
    chroot "$root" chown -R postgres:postgres /var/lib/postgresql /run/postgresql
    chmod 1777 "$root/var/lib/postgresql/data"
    chmod 3777 "$root/run/postgresql"
    # What the essential packages had brought before those rules were there.
    find "$root/usr/share/locale" -name '*.mo' ! -name '*-15.mo' -delete
    find "$root/usr/share/doc" "$root/usr/share/man" "$root/usr/share/info" -type f ! -name copyright -delete
    rm -rf "$root"/var/log/postgresql/* "$root"/var/cache/* "$root"/var/log/apt "$root"/var/log/*.log
    ;;
esac
