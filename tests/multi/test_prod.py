"""inventories/prod over real SSH: a Debian 12 and a Debian 13 host, an ordinary user who becomes root, pipelining."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hosts.fleet import SECRETS, Fleet
from tests.hosts.run import Run

RELEASES = {"a": "bookworm", "b": "trixie"}
# Until a lost host comes back on it, nobody has done anything on it.
BARE = {"c": "trixie"}
NAME = "ai-micro-postgres"
HAND_OVER = "tests/hosts/hand_over.yml"
PATIENCE = 60
COLLATION = (
    "SELECT collversion, pg_collation_actual_version(oid) = collversion FROM pg_collation WHERE collname = 'en_US.utf8'"
)
HOLD = "import socket, time; kept = socket.create_server(('127.0.0.1', 6543)); time.sleep(3600)"


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Start the hosts."""
    with Fleet.start(tmp_path_factory.mktemp("fleet"), {**RELEASES, **BARE}) as started:
        yield started


@pytest.fixture(scope="module")
def prod(fleet: Fleet) -> Path:
    """Take inventories/prod over for the hosts."""
    return fleet.inventory("prod", {name: fleet.connection(name) for name in RELEASES})


@pytest.fixture(scope="module")
def provisioned(fleet: Fleet, prod: Path) -> Path:
    """Provision both hosts in one run."""
    handed = fleet.play(HAND_OVER, prod)
    assert handed.code == 0, handed.report()
    run = fleet.play("site.yml", prod)
    assert run.code == 0, run.report()
    return prod


def started(fleet: Fleet, host: str) -> str:
    """Return what changes when a host's container is touched."""
    template = "{{.Id}} {{.State.StartedAt}} {{.State.Health.Status}}"
    return fleet.hosts[host].exec("docker", "inspect", "--format", template, NAME).stdout.strip()


def failures(run: Run) -> dict[str, int]:
    """Return the number of failures by host."""
    return {host: int(sums["failures"]) + int(sums["unreachable"]) for host, sums in run.data["stats"].items()}


def unchanged(run: Run) -> None:
    """Require a run that had nothing to do."""
    assert run.code == 0, run.report()
    assert run.count("changed") == 0, run.report()


def test_hosts_are_reached_as_an_ordinary_user(fleet: Fleet, prod: Path) -> None:
    for name in RELEASES:
        assert fleet.connection(name)["ansible_user"] == "ops"
        assert fleet.hosts[name].exec("id", "-u", "ops").stdout.strip() != "0"


def test_provisioned_together(fleet: Fleet, provisioned: Path) -> None:
    for name in RELEASES:
        assert fleet.sql(name, "SHOW server_version_num").startswith("15")
        assert fleet.sql(name, "SELECT count(*) FROM users", "authdb") == "0"
        assert started(fleet, name).endswith(" healthy")


def test_modules_go_through_the_pipe(fleet: Fleet, provisioned: Path) -> None:
    """With pipelining, what becomes root is Python that reads a module; without it, a file in the user's directory."""
    for name in RELEASES:
        said = fleet.hosts[name].exec("journalctl", "--no-pager", "--output=cat", "--identifier=sudo").stdout
        assert "BECOME-SUCCESS-" in said
        assert "AnsiballZ_" not in said


def test_second_run_changes_nothing(fleet: Fleet, provisioned: Path) -> None:
    unchanged(fleet.play("site.yml", provisioned))
    unchanged(fleet.play("site.yml", provisioned, "--check", "--diff"))
    assert fleet.play("playbooks/verify.yml", provisioned).code == 0


def test_vaulted_secrets_are_in_force_and_nowhere_to_be_read(fleet: Fleet, provisioned: Path) -> None:
    done = fleet.run("site.yml", provisioned, "-vvv", "--diff")
    assert done.returncode == 0, done.stdout
    for name in RELEASES:
        login = f"PGPASSWORD={SECRETS['postgres']} psql -h localhost -U postgres -d authdb -At -c 'SELECT 1'"
        assert fleet.hosts[name].shell(login).strip() == "1"
    vault = (provisioned / "group_vars" / "postgres" / "vault.yml").read_text(encoding="utf-8")
    assert vault.startswith("$ANSIBLE_" + "VAULT;")
    assert [role for role, secret in SECRETS.items() if secret in vault + done.stdout + done.stderr] == []


@pytest.mark.parametrize(
    ("serial", "bad"), [("100%", "b"), ("1", "b"), ("1", "a")], ids=["together", "the second", "the first"]
)
def test_one_host_that_fails_leaves_the_other_whole(fleet: Fleet, provisioned: Path, serial: str, bad: str) -> None:
    """A port that somebody holds on one host; the other takes a changed setting, or is not reached and serves as before."""
    good = next(name for name in RELEASES if name != bad)
    holder = f"holder-{serial.strip('%')}-{bad}"
    fleet.hosts[bad].exec("systemd-run", f"--unit={holder}", "python3", "-c", HOLD)
    before = {name: started(fleet, name) for name in RELEASES}
    variables = {name: fleet.connection(name) for name in RELEASES}
    variables[bad]["postgres_common_port"] = 6543
    marked = {"log_min_duration_statement": "777ms"}
    changed = fleet.inventory("prod", variables, postgres_instance_settings=marked)
    try:
        run = fleet.play("site.yml", changed, "-e", f"site_serial={serial}")
    finally:
        fleet.hosts[bad].exec("systemctl", "stop", holder)
        fleet.inventory("prod", {name: fleet.connection(name) for name in RELEASES})
    assert run.code != 0
    assert failures(run).get(bad) == 1, run.report()
    assert failures(run).get(good, 0) == 0, run.report()
    assert "Port 6543 on 127.0.0.1 is held by process" in run.report()
    assert {name: started(fleet, name) for name in RELEASES} == before
    reached = serial == "100%" or good == "a"
    assert fleet.sql(good, "SHOW log_min_duration_statement") == ("777ms" if reached else "1s")
    assert fleet.sql(bad, "SHOW log_min_duration_statement") == "1s"
    put_right = fleet.play("site.yml", provisioned)
    assert put_right.code == 0, put_right.report()
    unchanged(fleet.play("site.yml", provisioned))


def test_provisioned_one_after_the_other(fleet: Fleet, provisioned: Path) -> None:
    """Anew and by serial: 1, twice."""
    gone = fleet.play("playbooks/destroy.yml", provisioned, "-e", f"confirm_destroy={NAME}")
    assert gone.code == 0, gone.report()
    first = fleet.play("site.yml", provisioned, "-e", "site_serial=1")
    assert first.code == 0, first.report()
    assert [list(play["tasks"][0]["hosts"]) for play in first.data["plays"]] == [["a"], ["b"]]
    for name in RELEASES:
        assert fleet.sql(name, "SELECT count(*) FROM profiles", "apidb") == "0"
    unchanged(fleet.play("site.yml", provisioned, "-e", "site_serial=1"))


def test_split_inventory_gives_each_database_an_instance(fleet: Fleet, provisioned: Path) -> None:
    """Two instances on one host and one on another, beside the one that is there, which nothing touches."""
    places = {"authdb": ("a", 5441), "apidb": ("a", 5442), "admindb": ("b", 5441)}
    hosts = {
        database: {
            **fleet.connection(host),
            "postgres_common_port": port,
            "postgres_common_addresses": ["127.0.0.1", "bridge", fleet.address(host)],
        }
        for database, (host, port) in places.items()
    }
    split = fleet.inventory("split", hosts, postgres_common_image=f"{NAME}:pgvector-15")
    before = {name: started(fleet, name) for name in RELEASES}
    together = fleet.play("site.yml", split)
    assert "authdb and apidb are one machine" in together.report()
    assert "site_serial=1" in together.report()
    first = fleet.play("site.yml", split, "-e", "site_serial=1")
    assert first.code == 0, first.report()
    unchanged(fleet.play("site.yml", split, "-e", "site_serial=1"))
    for database, (host, port) in places.items():
        container = f"{NAME}-{database}"
        names = fleet.sql(host, "SELECT datname FROM pg_database WHERE NOT datistemplate", container=container)
        assert set(names.split()) == {"postgres", database}
        fleet.hosts[host].exec("test", "-f", f"/etc/{container}/tls/ca.crt")
        # A service on the other host finds it by what its file says.
        elsewhere = next(name for name in RELEASES if name != host)
        assert f"@{fleet.address(host)}:{port}/" in fleet.hosts[host].shell(f"cat /etc/{container}/services/*.env")
        fleet.hosts[elsewhere].exec("pg_isready", "-q", "-h", fleet.address(host), "-p", str(port))
    built = "SELECT amname FROM pg_class i JOIN pg_am a ON a.oid = i.relam WHERE i.relkind = 'i' AND amname = 'hnsw'"
    assert fleet.sql(places["admindb"][0], built, "admindb", container=f"{NAME}-admindb") == "hnsw"
    assert {name: started(fleet, name) for name in RELEASES} == before
    unchanged(fleet.play("site.yml", provisioned))


def test_lost_host_comes_back_on_a_bare_one_of_another_release(fleet: Fleet, provisioned: Path) -> None:
    """By the steps of the role's README: another address in the inventory, the repository in its place, restore.yml, a full backup.

    There is neither an Engine nor an image on the other host: restore.yml installs the one and builds the other.
    """
    name = f"{NAME}-moved"
    shared = {
        "postgres_common_name": name,
        "postgres_common_port": 5451,
        "postgres_common_network": name,
        "postgres_backup_enabled": True,
        # The schedule's own runs, should one be due.
        "postgres_common_lock_wait": 600,
    }

    def inventory(host: str) -> Path:
        return fleet.inventory("staging", {"db": fleet.connection(host)}, **shared)

    def sql(host: str, statement: str, database: str = "authdb") -> str:
        return fleet.sql(host, statement, database, container=name)

    def play(playbook: str, where: Path, *arguments: str) -> Run:
        run = fleet.play(playbook, where, *arguments)
        assert run.code == 0, run.report()
        return run

    before = {host: started(fleet, host) for host in RELEASES}
    play("site.yml", inventory("a"))
    sql("a", "INSERT INTO users (email, password_hash) VALUES ('backed-up@example.org', '-')")
    play("playbooks/backup.yml", inventory("a"))
    sql("a", "INSERT INTO users (email, password_hash) VALUES ('archived@example.org', '-')")
    segment = sql("a", "SELECT pg_walfile_name(pg_switch_wal())")
    end = time.monotonic() + PATIENCE
    while sql("a", f"SELECT coalesce(last_archived_wal, '') >= '{segment}' FROM pg_stat_archiver") != "t":
        assert time.monotonic() < end, f"{segment} was not archived"
        time.sleep(0.2)
    sorted_by = sql("a", COLLATION)
    fleet.hosts["a"].exec("docker", "kill", name)

    (other,) = BARE
    bare = fleet.hosts[other]
    assert bare.exec("sh", "-c", "command -v docker dockerd psql", check=False).stdout == ""
    authority = fleet.hosts["a"].shell(f"cat /etc/{name}/tls/ca.crt")
    for directory, carried in (("/var/backups", name), (f"/etc/{name}", "ca")):
        bare.exec("mkdir", "-p", directory)
        give, take = (
            f"docker exec -i {fleet.hosts[host].name} tar --numeric-owner -C {directory}" for host in ("a", other)
        )
        carry = ["sh", "-c", f"{give} -cpf - {carried} | {take} -xpf -"]
        copied = subprocess.run(carry, check=False, capture_output=True)
        assert (copied.returncode, copied.stderr) == (0, b"")
    play("playbooks/restore.yml", inventory(other), "-e", f"confirm_restore={name}")
    assert sql(other, "SELECT email FROM users ORDER BY email").split() == [
        "archived@example.org",
        "backed-up@example.org",
    ]
    # The image holds what sorts text, so another release of the host does not matter.
    assert sql(other, COLLATION) == sorted_by
    # A client that knows the lost host's certificate authority goes on.
    bare.exec("tee", "/root/ca.crt", stdin=authority)
    client = "host=localhost port=5451 dbname=authdb user=auth_service sslmode=verify-full sslrootcert=/root/ca.crt"
    login = ("psql", client, "-XAtc", "SELECT count(*) FROM users")
    answer = bare.exec(*login, environment={"PGPASSWORD": SECRETS["auth_service"]})
    assert answer.stdout.strip() == "2"
    unchanged(fleet.play("site.yml", inventory(other)))
    play("playbooks/backup.yml", inventory(other), "-e", "backup_type=full")
    play("playbooks/verify.yml", inventory(other))
    unchanged(fleet.play("site.yml", inventory(other)))
    assert {host: started(fleet, host) for host in RELEASES} == before
