"""A host without a way out: apt and the build go through a proxy to a mirror, and a registry stands where the Internet's would.

The gate is a second host with Debian's tinyproxy, nginx as the mirror, and docker-registry. The other host has no default route and so
no way but to the gate. The image's official base cannot be had here: the one that was built from packages stands in, with a package
postgresql-15-pgvector and an apt repository for it, which is where the PostgreSQL project's would be.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.hosts.fleet import Fleet

NAME = "ai-micro-postgres"
IMAGE = f"{NAME}:pgvector-15"
PROXY_PORT = 8888
OPEN_GATE = r"""
export DEBIAN_FRONTEND=noninteractive
apt-get -q install -y --no-install-recommends tinyproxy nginx-light docker-registry
archive() { sed -n 's/^deb.* \(http[^ ]*\) '"$1"' .*/\1/p' /etc/apt/sources.list.d/machine.list | head -n 1; }
cat > /etc/nginx/sites-enabled/default <<NGINX
server {
    listen 80;
    proxy_http_version 1.1;
    location /debian/ { proxy_pass $(archive bookworm)/; }
    location /debian-security/ { proxy_pass $(archive bookworm-security)/; }
}
NGINX
cat > /etc/tinyproxy/tinyproxy.conf <<TINYPROXY
User tinyproxy
Group tinyproxy
Port 8888
Timeout 600
MaxClients 100
LogLevel Connect
LogFile "/var/log/tinyproxy/tinyproxy.log"
PidFile "/run/tinyproxy/tinyproxy.pid"
TINYPROXY
chown tinyproxy: /var/log/tinyproxy
sed -i '/^auth:/,/^health:/{/^health:/!d}' /etc/docker/registry/config.yml
systemctl restart nginx tinyproxy docker-registry
"""

# The stand-in: as the official image it can install the package of pgvector, which it does not hold yet.
STAND_IN = r"""
mkdir -p /root/base/deb/DEBIAN && cd /root/base
version=$(docker image inspect -f '{{index .Config.Labels "ai_micro.postgres.pgvector_version"}}' IMAGE)
printf 'Package: postgresql-15-pgvector\nVersion: %s-0.stand.in\nArchitecture: amd64\nMaintainer: tests\nDescription: stand-in\n' \
    "$version" > deb/DEBIAN/control
docker run --rm --entrypoint=sh IMAGE -c \
    'cd / && find usr/share/postgresql/15/extension/vector* usr/lib/postgresql/15/lib/vector.so | tar -c -T -' | tar -x -C deb
dpkg-deb --build --root-owner-group deb pgvector.deb > /dev/null
{ dpkg-deb --field pgvector.deb; printf 'Filename: ./pgvector.deb\nSize: %s\nSHA256: %s\n' \
    "$(stat -c %s pgvector.deb)" "$(sha256sum pgvector.deb | cut -d ' ' -f 1)"; } > Packages
cat > Dockerfile <<'DOCKERFILE'
FROM IMAGE
RUN rm -f /usr/share/postgresql/15/extension/vector* /usr/lib/postgresql/15/lib/vector.so /usr/local/bin/docker-entrypoint.sh
COPY pgvector.deb Packages /srv/repository/
RUN echo 'deb [trusted=yes] file:/srv/repository ./' > /etc/apt/sources.list.d/stand-in.list
LABEL ai_micro.postgres.context="" ai_micro.postgres.image=""
DOCKERFILE
docker build -q -t BASE . > /dev/null
docker push -q BASE
"""


# What Debian 12's Engine takes a proxy from, as the README says.
DROP_IN = r"""
mkdir -p /etc/systemd/system/docker.service.d
printf '[Service]\nEnvironment="HTTP_PROXY={address}"\n' > /etc/systemd/system/docker.service.d/proxy.conf
systemctl daemon-reload
systemctl restart docker
"""


@dataclass
class Closed:
    """The fleet, the inventory of the closed host, and the gate's address."""

    fleet: Fleet
    gate: str

    @property
    def base(self) -> str:
        """Return the name of the stand-in for the official image."""
        return f"{self.gate}:5000/postgres:15-bookworm"

    def inventory(self, **variables: object) -> Path:
        """Write the inventory of the closed host: the proxy, the mirror, and a registry without TLS."""
        address = f"http://{self.gate}:{PROXY_PORT}"
        return self.fleet.inventory(
            "prod",
            {"closed": self.fleet.connection("closed")},
            postgres_common_proxy={"http_proxy": address, "https_proxy": address},
            postgres_image_mirror=f"http://{self.gate}/debian",
            postgres_image_security_mirror=f"http://{self.gate}/debian-security",
            docker_engine_daemon_config={"insecure-registries": [f"{self.gate}:5000"]},
            **variables,
        )

    def log(self, path: str) -> str:
        """Read a log of the gate."""
        return self.fleet.hosts["gate"].exec("cat", path).stdout

    def labels(self) -> dict[str, str]:
        """Return the labels of the image on the closed host."""
        said = self.fleet.hosts["closed"].exec("docker", "image", "inspect", IMAGE).stdout
        return dict(json.loads(said)[0]["Config"]["Labels"])


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Closed]:
    """Start the two hosts, open the gate and take the other's way out."""
    with Fleet.start(tmp_path_factory.mktemp("closed"), {"gate": "bookworm", "closed": "bookworm"}) as fleet:
        fleet.hosts["gate"].shell(OPEN_GATE)
        fleet.hosts["closed"].shell("rm -rf /var/lib/apt/lists/*; ip route del default")
        yield Closed(fleet, fleet.address("gate"))


@pytest.fixture(scope="module")
def built(closed: Closed) -> Path:
    """Provision the closed host; it builds the image itself."""
    inventory = closed.inventory()
    run = closed.fleet.play("site.yml", inventory)
    assert run.code == 0, run.report()
    return inventory


def test_there_is_no_other_way_out(closed: Closed) -> None:
    assert closed.fleet.hosts["closed"].exec("ip", "route", "get", "192.0.2.1", check=False).returncode != 0


def test_image_is_built_from_packages_through_proxy_and_mirror(closed: Closed, built: Path) -> None:
    assert closed.fleet.sql("closed", "SELECT count(*) FROM users", "authdb") == "0"
    assert closed.labels()["ai_micro.postgres.source"] == "packages"
    proxied = closed.log("/var/log/tinyproxy/tinyproxy.log")
    assert re.search(r"GET http://\S+/docker\.io_\S+\.deb", proxied), "the host's apt did not use the proxy"
    # A release of PostgreSQL comes by the security archive first, and with the next point release by the other.
    server = rf"GET http://{closed.gate}/debian(-security)?/pool/(updates/)?main/p/postgresql-15/postgresql-15_"
    assert re.search(server, proxied), "mmdebstrap did not use the proxy"
    assert f"GET http://{closed.gate}/debian/pool/main/p/pgvector/" in proxied, "the build did not use the proxy"
    mirrored = closed.log("/var/log/nginx/access.log")
    assert "/debian/dists/bookworm/InRelease" in mirrored
    assert "/debian/pool/main/p/pgvector/" in mirrored


def test_proxy_does_not_stay_in_the_image(closed: Closed, built: Path) -> None:
    host = closed.fleet.hosts["closed"]
    said = host.exec("docker", "image", "inspect", IMAGE).stdout
    assert str(PROXY_PORT) not in said + host.exec("docker", "history", "--no-trunc", IMAGE).stdout


def test_another_run_changes_nothing(closed: Closed, built: Path) -> None:
    run = closed.fleet.play("site.yml", built)
    assert run.code == 0, run.report()
    assert run.count("changed") == 0, run.report()


def test_image_is_built_on_a_base_from_a_registry(closed: Closed, built: Path) -> None:
    """The base is pulled through the proxy, pgvector's package installed, and the instance goes over to the new image with its rows."""
    host = closed.fleet.hosts["closed"]
    host.shell(DROP_IN.format(address=f"http://{closed.gate}:{PROXY_PORT}"))
    host.shell(STAND_IN.replace("IMAGE", IMAGE).replace("BASE", closed.base), timeout=900)
    host.exec("docker", "image", "rm", closed.base)
    closed.fleet.sql("closed", "INSERT INTO users (email, password_hash) VALUES ('kept@example.org', '-')", "authdb")
    inventory = closed.inventory(postgres_image_source="registry", postgres_image_registry_base=closed.base)
    run = closed.fleet.play("site.yml", inventory)
    assert run.code == 0, run.report()
    labels = closed.labels()
    assert labels["ai_micro.postgres.source"] == "registry"
    assert labels["ai_micro.postgres.pgvector_package"].endswith("-0.stand.in")
    assert closed.fleet.sql("closed", "SELECT email FROM users", "authdb") == "kept@example.org"
    assert closed.fleet.sql("closed", "SELECT '[1,0]'::vector <=> '[0,1]'::vector", "admindb") == "1"
    again = closed.fleet.play("site.yml", inventory)
    assert again.code == 0, again.report()
    assert again.count("changed") == 0, again.report()
    served = closed.fleet.hosts["gate"].shell("journalctl -u docker-registry --no-pager -o cat")
    assert re.search(r"GET\S* /?\S*v2/postgres/manifests/", served.replace('"', " ")), served[-2000:]
    proxied = closed.log("/var/log/tinyproxy/tinyproxy.log")
    assert f"GET http://{closed.gate}:5000/v2/postgres/manifests/" in proxied, "the Engine did not use the proxy"
