#!/usr/bin/env bash
# What `make site` is measured against: the same steps by hand on a bare Debian 12 host, run as root in a checkout, with
# no check, no comparison and no second run in mind. Prints the seconds of each step.
set -euo pipefail
cd "$(dirname "$0")/.."
name=ai-micro-postgres
image=$name:pgvector-15
etc=/etc/$name
context=roles/postgres_image/files/context
work=$(mktemp -d /var/tmp/bench.XXXXXX)
trap 'rm -rf "$work"' EXIT
export DEBIAN_FRONTEND=noninteractive
step() { printf '%4d s  %s\n' "$SECONDS" "$*"; }

step 'venv and packages of the controller'
apt-get -q update >/dev/null
apt-get -q -y --no-install-recommends install python3-venv >/dev/null
python3 -m venv .venv
.venv/bin/pip install -q -q --disable-pip-version-check -r requirements.txt

step 'Docker and what the host needs'
apt-get -q -y --no-install-recommends install docker.io python3-psycopg2 python3-requests python3-cryptography postgresql-client \
  mmdebstrap debian-archive-keyring openssl >/dev/null
systemctl enable --now docker >/dev/null 2>&1
until docker info >/dev/null 2>&1; do sleep 0.2; done

step 'base image'
apt-get indextargets --format "deb \$(REPO_URI) \$(RELEASE) main" 'Created-By: Packages' | sort -u >"$work/sources"
install -m 0755 roles/postgres_image/files/base.sh "$work/base.sh"
POSTGRES_IMAGE_LOCALES=en_US.UTF-8 TMPDIR=$work mmdebstrap --quiet --mode=root --variant=minbase --components=main \
  --include=ca-certificates,gosu,libnss-wrapper,locales,pgbackrest,postgresql-15,postgresql-15-pgaudit,xz-utils,zstd \
  --aptopt='Acquire::Languages "none"' --aptopt='APT::Install-Recommends "false"' \
  --essential-hook="$work/base.sh" --customize-hook="$work/base.sh" bookworm "$work/base.tar" - <"$work/sources"
docker import "$work/base.tar" "$name-base:1" >/dev/null

step 'image'
mkdir "$work/context"
cp "$context"/* "$work/context/"
chmod 0755 "$work"/context/*.sh
cat >"$work/context/Dockerfile" <<DOCKERFILE
FROM $name-base:1 AS build
ENV PATH=/usr/local/bin:/usr/lib/postgresql/15/bin:/usr/sbin:/usr/bin:/sbin:/bin
COPY build-pgvector.sh write-versions.sh /usr/local/bin/
RUN build-pgvector.sh trixie

FROM $name-base:1
COPY --from=build /out /
COPY docker-entrypoint.sh /usr/local/bin/
ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/lib/postgresql/15/bin LANG=en_US.utf8 PG_MAJOR=15 PGDATA=/var/lib/postgresql/data
VOLUME /var/lib/postgresql/data
EXPOSE 5432
STOPSIGNAL SIGINT
ENTRYPOINT ["docker-entrypoint.sh"]
CMD ["postgres"]
DOCKERFILE
docker build -q -t "$image" \
  --build-arg http_proxy --build-arg https_proxy --build-arg no_proxy "$work/context" >/dev/null 2>&1

step 'certificate and configuration'
install -d "$etc/tls" "$etc/postgresql" "$etc/services"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-384 -nodes -days 3650 -subj "/CN=$name CA" -keyout "$work/ca.key" -out "$etc/tls/ca.crt" 2>/dev/null
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$name" -keyout "$etc/tls/server.key" -out "$work/server.csr" 2>/dev/null
openssl x509 -req -in "$work/server.csr" -CA "$etc/tls/ca.crt" -CAkey "$work/ca.key" -CAcreateserial -days 825 \
  -extfile <(printf 'subjectAltName=DNS:localhost,DNS:host.docker.internal,DNS:%s,IP:127.0.0.1' "$name") -out "$etc/tls/server.crt" 2>/dev/null
chown 999:999 "$etc/tls/server.key"
chmod 0400 "$etc/tls/server.key"
cat >"$etc/postgresql/postgresql.conf" <<CONF
listen_addresses = '*'
hba_file = '/etc/postgresql-config/pg_hba.conf'
ident_file = '/etc/postgresql-config/pg_ident.conf'
ssl = on
ssl_cert_file = '/etc/postgresql-tls/server.crt'
ssl_key_file = '/etc/postgresql-tls/server.key'
password_encryption = 'scram-sha-256'
max_parallel_maintenance_workers = 0
CONF
printf 'local all postgres peer map=superuser\nhostssl all all all scram-sha-256\n' >"$etc/postgresql/pg_hba.conf"
printf 'superuser root postgres\nsuperuser postgres postgres\n' >"$etc/postgresql/pg_ident.conf"

step 'initialisation'
openssl rand -base64 18 >"$work/password"
chown 999:999 "$work" "$work/password"
docker volume create "${name}_postgres_data" >/dev/null
docker network create ai-micro >/dev/null
hardened=(--user 999:999 --cap-drop ALL --security-opt no-new-privileges --read-only
  --tmpfs '/var/run/postgresql:uid=999,gid=999,mode=0755' --tmpfs /tmp:mode=1777 --shm-size 256m
  -v "${name}_postgres_data:/var/lib/postgresql/data" -v "$etc/postgresql:/etc/postgresql-config:ro" -v "$etc/tls:/etc/postgresql-tls:ro")
docker run -d --name "$name-init" --network none "${hardened[@]}" -v "$PWD/files:/docker-entrypoint-initdb.d:ro" \
  -v "$work/password:/run/secrets/password:ro" -e POSTGRES_PASSWORD_FILE=/run/secrets/password \
  -e "POSTGRES_INITDB_ARGS=--encoding=UTF8 --locale=C.UTF-8 --data-checksums --auth-local=peer --auth-host=scram-sha-256" "$image" >/dev/null
# The entrypoint's own server for the scripts listens on the socket only.
until docker exec "$name-init" pg_isready -q -h 127.0.0.1 -U postgres; do
  [ "$(docker inspect -f '{{.State.Running}}' "$name-init")" = true ] || { docker logs --tail 20 "$name-init"; exit 1; }
  sleep 0.2
done
docker stop -t 120 "$name-init" >/dev/null
docker rm "$name-init" >/dev/null

step 'server'
subnet=$(docker network inspect bridge --format '{{(index .IPAM.Config 0).Subnet}}')
gateway=${subnet%.*}.1
docker run -d --name "$name" --network ai-micro --restart unless-stopped --stop-timeout 120 "${hardened[@]}" \
  -p 127.0.0.1:5432:5432 -p "$gateway:5432:5432" --health-cmd 'pg_isready -q -h 127.0.0.1 -U postgres' --health-interval 10s \
  "$image" postgres -c config_file=/etc/postgresql-config/postgresql.conf >/dev/null
until docker exec "$name" pg_isready -q -h 127.0.0.1 -U postgres; do sleep 0.2; done

step 'roles and connection files'
for pair in auth_service:authdb:ai-micro-api-auth user_api_service:apidb:ai-micro-api-user admin_api_service:admindb:ai-micro-api-admin; do
  IFS=: read -r role database service <<<"$pair"
  password=$(openssl rand -hex 18)
  docker exec -i "$name" psql -X -q -v ON_ERROR_STOP=1 -U postgres -d "$database" <<SQL
CREATE ROLE $role LOGIN PASSWORD '$password';
REVOKE ALL ON DATABASE $database FROM PUBLIC;
GRANT CONNECT ON DATABASE $database TO $role;
GRANT USAGE ON SCHEMA public TO $role;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO $role;
SQL
  (umask 077; printf 'DATABASE_URL=postgresql://%s:%s@host.docker.internal:5432/%s?sslmode=verify-full&sslrootcert=%s/tls/ca.crt\n' \
    "$role" "$password" "$database" "$etc" >"$etc/services/$service.env")
done
docker exec "$name" psql -X -q -A -t -U postgres -d admindb -c 'SELECT count(*) FROM langchain_pg_embedding' >/dev/null
step 'done'
