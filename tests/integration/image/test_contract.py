"""The image's contract, item by item, in real containers: what any image in its place has to do.

AI_MICRO_TEST_IMAGE names the image. Containers and volumes have names of their own and are gone afterwards.
"""

from __future__ import annotations

import gzip
import json
import os
import re
import subprocess
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

PASSWORD = "Canary-7f3a-Password"
DATA = "/var/lib/postgresql/data"
HARDENED = (
    "--user=999:999",
    "--read-only",
    "--cap-drop=ALL",
    "--security-opt=no-new-privileges",
    "--tmpfs=/var/run/postgresql:uid=999,gid=999,mode=0775",
    "--tmpfs=/tmp",
)
SETTINGS = f"""
data_directory = '{DATA}'
hba_file = '/etc/postgresql-config/pg_hba.conf'
ident_file = '/etc/postgresql-config/pg_ident.conf'
listen_addresses = '*'
unix_socket_directories = '/var/run/postgresql'
"""


@pytest.fixture(scope="session")
def image() -> str:
    name = os.environ.get("AI_MICRO_TEST_IMAGE", "")
    assert name, "AI_MICRO_TEST_IMAGE is not set: name the image that the role postgres_image built."
    return name


def docker(*args: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(("docker", *args), capture_output=True, text=True, timeout=120, check=False)
    assert not check or done.returncode == 0, f"docker {args[0]}: {done.stdout}\n{done.stderr}"
    return done


@dataclass
class Server:
    """A container of the image; its logs are part of every failure."""

    image: str
    options: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    name: str = field(default_factory=lambda: f"amt-image-{uuid.uuid4().hex[:12]}")

    def start(self) -> Server:
        docker("run", "--detach", "--name", self.name, "--network=none", *self.options, self.image, *self.command)
        return self

    def logs(self) -> str:
        done = docker("logs", self.name)
        return done.stdout + done.stderr

    def state(self) -> dict[str, object]:
        found: dict[str, object] = json.loads(docker("inspect", "--format", "{{json .State}}", self.name).stdout)
        return found

    def wait(self) -> Server:
        """Until the final server answers: the temporary one listens on no TCP address."""
        for _ in range(300):
            if (
                docker(
                    "exec", self.name, "pg_isready", "-q", "-h", "127.0.0.1", "-U", "postgres", check=False
                ).returncode
                == 0
            ):
                return self
            assert self.state()["Running"], self.logs()
            time.sleep(0.1)
        raise AssertionError(self.logs())

    def end(self) -> int:
        """Wait for a container that ends by itself, and return its exit code."""
        return int(docker("wait", self.name).stdout)

    def run(self, *command: str, user: str = "postgres") -> str:
        return docker("exec", "--user", user, self.name, *command).stdout.strip()

    def sql(self, statement: str, database: str = "postgres", role: str = "postgres") -> str:
        return self.run("psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-U", role, "-d", database, "-c", statement)

    def remove(self) -> None:
        docker("rm", "--force", "--volumes", self.name, check=False)


class Servers:
    """Starts containers and forgets none."""

    def __init__(self, image: str) -> None:
        self.image = image
        self.started: list[Server] = []
        self.volumes: list[str] = []

    def __call__(self, *options: str, command: tuple[str, ...] = (), password: bool = True) -> Server:
        given = (f"--env=POSTGRES_PASSWORD={PASSWORD}",) if password else ()
        server = Server(self.image, (*given, *options), command)
        self.started.append(server)
        return server.start()

    def volume(self) -> str:
        name = f"amt-image-{uuid.uuid4().hex[:12]}"
        docker("volume", "create", name)
        self.volumes.append(name)
        return name

    def remove(self) -> None:
        for server in self.started:
            server.remove()
        for volume in self.volumes:
            docker("volume", "rm", "--force", volume, check=False)


@pytest.fixture
def servers(image: str) -> Iterator[Servers]:
    several = Servers(image)
    yield several
    several.remove()


@pytest.fixture
def readable(tmp_path: Path) -> Path:
    """A directory that the container's user can enter, for files to mount."""
    tmp_path.chmod(0o755)
    for parent in tmp_path.parents:
        if parent.name.startswith("pytest-"):
            parent.chmod(0o755)
    return tmp_path


def write(directory: Path, files: dict[str, str], executable: tuple[str, ...] = ()) -> Path:
    for name, text in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.parent.chmod(0o755)
        if name.endswith(".gz"):
            path.write_bytes(gzip.compress(text.encode()))
        else:
            path.write_text(text)
        path.chmod(0o755 if name in executable else 0o644)
    return directory


def secret_file(directory: Path, text: str = PASSWORD) -> Path:
    """A password as the roles lay it down: for user 999 alone."""
    path = directory / "password"
    path.write_text(text + "\n")
    os.chown(path, 999, 999)
    path.chmod(0o400)
    return path


@pytest.fixture(scope="module")
def server(image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A plain server as a stranger would start it, shared by the tests that only ask."""
    several = Servers(image)
    yield several("--publish-all").wait()
    several.remove()


# --- what the image says of itself


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("StopSignal", "SIGINT"),
        ("ExposedPorts", {"5432/tcp": {}}),
        ("Volumes", {DATA: {}}),
        ("Cmd", ["postgres"]),
        ("Entrypoint", ["docker-entrypoint.sh"]),
        ("User", ""),
    ],
)
def test_configuration(image: str, key: str, value: object) -> None:
    config = json.loads(docker("image", "inspect", "--format", "{{json .Config}}", image).stdout)
    assert config.get(key, "") == value


@pytest.mark.parametrize(("name", "value"), [("PGDATA", DATA), ("LANG", "en_US.utf8"), ("PG_MAJOR", "15")])
def test_environment(image: str, name: str, value: str) -> None:
    environment = json.loads(docker("image", "inspect", "--format", "{{json .Config.Env}}", image).stdout)
    assert f"{name}={value}" in environment


@pytest.mark.parametrize(
    "label", ["context", "image", "source", "postgresql_version", "pgvector_version", "pgbackrest_version"]
)
def test_labels(image: str, label: str) -> None:
    labels = json.loads(docker("image", "inspect", "--format", "{{json .Config.Labels}}", image).stdout)
    assert labels.get(f"ai_micro.postgres.{label}")


# --- what is in it


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("id -u postgres", r"999"),
        ("id -g postgres", r"999"),
        ("command -v docker-entrypoint.sh", r"/usr/local/bin/docker-entrypoint.sh"),
        ("postgres --version", r".*\b15\.\d+.*"),
        ("pgbackrest version", r"pgBackRest \d.*"),
        ("gosu --version", r"\d.*"),
        ("locale -a", r"(?s).*\bC\.utf8\b.*\ben_US\.utf8\b.*"),
        ("stat -c %U:%G /var/lib/postgresql/data", r"postgres:postgres"),
        ("ls -d /etc/postgresql/* /etc/ssl/private/ssl-cert-snakeoil.key 2>/dev/null | wc -l", r"0"),
        ("command -v gcc make clang | wc -l", r"0"),
        ("find /var/lib/apt/lists -type f -size +0 | wc -l", r"0"),
        ("test -s /etc/ssl/certs/ca-certificates.crt && echo yes", r"yes"),
        ("cat /usr/share/ai-micro-postgres/versions.json", r'\{"postgresql": "15\..*'),
    ],
)
def test_contents(server: Server, command: str, expected: str) -> None:
    assert re.fullmatch(expected, server.run("bash", "-c", command, user="root"))


def test_pgaudit_loads(servers: Servers) -> None:
    server = servers(command=("postgres", "-c", "shared_preload_libraries=pgaudit")).wait()
    server.sql("CREATE EXTENSION pgaudit")
    assert server.sql("SHOW pgaudit.log") == "none"


def test_contrib_and_vector_with_a_hnsw_index(server: Server) -> None:
    server.sql('CREATE EXTENSION "uuid-ossp"; CREATE EXTENSION pg_stat_statements; CREATE EXTENSION vector')
    server.sql("CREATE TABLE item (embedding vector(3))")
    server.sql("INSERT INTO item SELECT ARRAY[random(), random(), random()]::vector FROM generate_series(1, 500)")
    server.sql(
        "SET max_parallel_maintenance_workers = 0;"
        " CREATE INDEX item_hnsw ON item USING hnsw (embedding vector_cosine_ops) WITH (m = 16, ef_construction = 64)"
    )
    assert (
        server.sql(
            "SET enable_seqscan = off; SELECT count(*) FROM (SELECT FROM item ORDER BY embedding <=> '[1,0,0]' LIMIT 5) AS near"
        )
        == "5"
    )


# --- a server started with nothing but a password


def test_server_runs_as_999_though_started_as_root(server: Server) -> None:
    assert server.run("stat", "-c", "%u:%g", "/proc/1", user="root") == "999:999"


def test_locale_of_a_new_cluster(server: Server) -> None:
    assert (
        server.sql("SELECT pg_encoding_to_char(encoding), datcollate FROM pg_database WHERE datname = 'postgres'")
        == "UTF8|en_US.utf8"
    )


def test_data_is_for_its_owner_alone(server: Server) -> None:
    assert server.run("stat", "-c", "%a", DATA) == "700"
    assert server.run("find", DATA, "-perm", "/077", "!", "-type", "l") == ""


def test_listens_on_every_address(server: Server) -> None:
    assert server.sql("SHOW listen_addresses") == "*"


def test_tcp_wants_the_password_by_scram(server: Server) -> None:
    # initdb itself trusts the loopback, as in the official image; every other address is for scram.
    rules = server.sql("SELECT auth_method FROM pg_hba_file_rules WHERE address = 'all'")
    assert rules == "scram-sha-256"


def test_password_is_stored_as_scram(server: Server) -> None:
    assert server.sql("SELECT left(rolpassword, 13) FROM pg_authid WHERE rolname = 'postgres'") == "SCRAM-SHA-256"


def test_password_is_in_no_environment_of_the_server(server: Server) -> None:
    # docker exec gives its processes the container's environment, and what a stranger put there; the server's own have none of it.
    found = server.run(
        "bash",
        "-c",
        f"for p in /proc/[0-9]*; do ! grep -qsx postgres $p/comm || grep -ls {PASSWORD} $p/environ $p/cmdline; done; true",
    )
    assert found == ""
    assert server.run("cat", "/proc/1/comm") == "postgres"
    assert PASSWORD not in server.logs()


# --- variables


def test_user_database_initdb_args_and_waldir(servers: Servers) -> None:
    server = servers(
        "--env=POSTGRES_USER=boss",
        "--env=POSTGRES_DB=Some Base",
        "--env=POSTGRES_INITDB_ARGS=--data-checksums --locale='C.UTF-8'",
        "--env=POSTGRES_INITDB_WALDIR=/var/lib/postgresql/wal",
        "--env=POSTGRES_HOST_AUTH_METHOD=md5",
    ).wait()
    shown = server.sql(
        "SELECT current_user, current_database(), current_setting('data_checksums')", "Some Base", "boss"
    )
    assert shown == "boss|Some Base|on"
    assert (
        server.sql("SELECT datcollate FROM pg_database WHERE datname = 'template1'", "Some Base", "boss") == "C.UTF-8"
    )
    assert server.run("readlink", f"{DATA}/pg_wal") == "/var/lib/postgresql/wal"
    assert server.sql("SELECT auth_method FROM pg_hba_file_rules WHERE address = 'all'", "Some Base", "boss") == "md5"


def test_the_database_takes_the_users_name(servers: Servers) -> None:
    server = servers("--env=POSTGRES_USER=boss").wait()
    assert server.sql("SELECT current_database()", "boss", "boss") == "boss"


def test_variables_from_files_that_only_root_reads(servers: Servers, readable: Path) -> None:
    write(readable, {"user": "boss\n", "db": "base\n", "args": "--data-checksums\n", "password": PASSWORD + "\n"})
    (readable / "password").chmod(0o400)
    server = servers(
        f"--volume={readable}:/run/secrets:ro",
        "--env=POSTGRES_USER_FILE=/run/secrets/user",
        "--env=POSTGRES_DB_FILE=/run/secrets/db",
        "--env=POSTGRES_INITDB_ARGS_FILE=/run/secrets/args",
        "--env=POSTGRES_PASSWORD_FILE=/run/secrets/password",
        password=False,
    ).wait()
    assert (
        server.sql("SELECT current_user, current_database(), current_setting('data_checksums')", "base", "boss")
        == "boss|base|on"
    )
    login = f"PGPASSWORD={PASSWORD} psql -XAtw -h $(hostname -i || echo 127.0.0.1) -U boss -d base -c 'SELECT 1'"
    assert server.run("bash", "-c", login) == "1"
    assert PASSWORD not in server.run("cat", "/proc/1/environ")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ((), "the superuser has no password: give POSTGRES_PASSWORD or POSTGRES_PASSWORD_FILE a non-empty value."),
        (("--env=POSTGRES_PASSWORD=",), "the superuser has no password"),
        (
            ("--env=POSTGRES_PASSWORD=a", "--env=POSTGRES_PASSWORD_FILE=/b"),
            "both POSTGRES_PASSWORD and POSTGRES_PASSWORD_FILE are set",
        ),
        (("--env=POSTGRES_PASSWORD_FILE=/missing",), "POSTGRES_PASSWORD_FILE names /missing, which user"),
        (
            ("--env=POSTGRES_PASSWORD=a", "--env=POSTGRES_INITDB_ARGS=--locale='C"),
            "POSTGRES_INITDB_ARGS has an unmatched quote",
        ),
    ],
)
def test_refused_with_one_sentence(servers: Servers, options: tuple[str, ...], sentence: str) -> None:
    server = servers(*options, password=False)
    assert server.end() != 0
    said = [line for line in server.logs().splitlines() if line.startswith("docker-entrypoint: ")]
    assert len(said) == 1
    assert sentence in said[0]


def test_trust_needs_no_password(servers: Servers) -> None:
    server = servers("--env=POSTGRES_HOST_AUTH_METHOD=trust", password=False).wait()
    assert server.sql("SELECT auth_method FROM pg_hba_file_rules WHERE address = 'all'") == "trust"


# --- how it is started


@pytest.mark.parametrize("command", [("-c", "work_mem=5MB"), ("postgres", "-c", "work_mem=5MB")])
def test_arguments_reach_both_servers(servers: Servers, readable: Path, command: tuple[str, ...]) -> None:
    init = write(
        readable,
        {
            "1.sql": "CREATE TABLE seen AS SELECT current_setting('work_mem') AS work_mem, current_setting('listen_addresses') AS tcp;"
        },
    )
    server = servers(f"--volume={init}:/docker-entrypoint-initdb.d:ro", command=command).wait()
    assert server.sql("SELECT work_mem, tcp FROM seen") == "5MB|"
    assert server.sql("SHOW work_mem") == "5MB"


@pytest.mark.parametrize("command", [("postgres", "--version"), ("--version",), ("bash", "-c", "echo 15; id -u")])
def test_other_commands_need_no_cluster(servers: Servers, command: tuple[str, ...]) -> None:
    server = servers(command=command, password=False)
    assert server.end() == 0
    assert "15" in server.logs()
    assert "docker-entrypoint:" not in server.logs()


def test_hardened_with_peer_and_a_configuration_of_its_own(servers: Servers, readable: Path) -> None:
    """As the role postgres_instance does it: no capability, nothing writable, no trust anywhere."""
    secret_file(readable)
    config = write(
        readable / "config",
        {
            "postgresql.conf": SETTINGS,
            "pg_hba.conf": "local all all peer map=os\nhost all all all scram-sha-256\n",
            "pg_ident.conf": "os root postgres\nos postgres postgres\n",
        },
    )
    init = write(
        readable / "init",
        {"init.sql": "\\ir schema/one.sql\n", "schema/one.sql": "CREATE TABLE one (id int);\n"},
    )
    server = servers(
        *HARDENED,
        f"--volume={servers.volume()}:{DATA}",
        f"--volume={config}:/etc/postgresql-config:ro",
        f"--volume={init}:/docker-entrypoint-initdb.d:ro",
        f"--volume={readable / 'password'}:/run/secrets/password:ro",
        "--env=POSTGRES_PASSWORD_FILE=/run/secrets/password",
        "--env=POSTGRES_INITDB_ARGS=--auth-local=peer --auth-host=scram-sha-256",
        command=(
            "postgres",
            "-c",
            "config_file=/etc/postgresql-config/postgresql.conf",
            "-c",
            "hba_file=/etc/postgresql-config/pg_hba.conf",
        ),
        password=False,
    ).wait()
    assert server.sql("SELECT count(*) FROM one") == "0"
    assert docker("exec", "--user=0", server.name, "psql", "-U", "postgres", "-Atc", "SELECT 1").stdout == "1\n"
    assert server.run("grep", "^Cap\\(Prm\\|Eff\\|Bnd\\)", "/proc/1/status").split()[1::2] == ["0000000000000000"] * 3
    assert server.run("grep", "^Umask", "/proc/1/status").split()[1] == "0077"
    assert PASSWORD not in server.run("cat", "/proc/1/environ")
    assert PASSWORD not in docker("inspect", server.name).stdout + server.logs()
    assert docker("exec", server.name, "psql", "-w", "-h", "127.0.0.1", "-U", "postgres", check=False).returncode != 0


def test_an_arbitrary_user(servers: Servers) -> None:
    server = servers(
        "--user=4321:4321", "--tmpfs=/var/run/postgresql:mode=1777", f"--tmpfs={DATA}:uid=4321,mode=0700"
    ).wait()
    assert docker("exec", server.name, "stat", "-c", "%u", DATA).stdout.strip() == "4321"


def test_stops_by_its_signal_with_a_clean_shutdown(servers: Servers) -> None:
    server = servers().wait()
    docker("stop", "--time=20", server.name)
    assert server.state()["ExitCode"] == 0
    assert "database system is shut down" in server.logs()


# --- init files


def test_init_files_run_in_order_each_in_its_way(servers: Servers, readable: Path) -> None:
    init = write(
        readable,
        {
            "10-table.sql": "CREATE TABLE step (n serial, name text);",
            "20-run.sh": '#!/bin/bash\npsql -qU "$POSTGRES_USER" -d "$POSTGRES_DB" -c "INSERT INTO step(name) VALUES (\'run\')"\n',
            "30-source.sh": "docker_process_sql -c \"INSERT INTO step(name) VALUES ('sourced')\"\n",
            "40-packed.sql.gz": "INSERT INTO step(name) VALUES ('packed');",
            "B.sql": "INSERT INTO step(name) VALUES ('B');",
            "a.sql": "INSERT INTO step(name) VALUES ('a');",
            "notes.txt": "nothing",
            "below/never.sql": "syntax error",
        },
        executable=("20-run.sh",),
    )
    server = servers(f"--volume={init}:/docker-entrypoint-initdb.d:ro", "--env=POSTGRES_DB=base").wait()
    assert server.sql("SELECT string_agg(name, ' ' ORDER BY n) FROM step", "base") == "run sourced packed B a"
    assert "ignoring /docker-entrypoint-initdb.d/notes.txt" in server.logs()


@pytest.mark.parametrize(
    ("files", "shown"),
    [
        ({"init.sql": "SELECT 1;\n\nSELECT oops;\n"}, r"psql:/docker-entrypoint-initdb\.d/init\.sql:3: ERROR: .*oops"),
        (
            {"init.sql": "\\ir sub/x.sql\n", "sub/x.sql": "SELECT 1;\nSELECT oops;\n"},
            r"psql:\S*sub/x\.sql:2: ERROR: .*oops",
        ),
        ({"init.sql.gz": "SELECT oops;\n"}, r"ERROR: .*oops"),
        ({"init.sh": "#!/bin/bash\necho oops\nfalse\n"}, r"oops"),
    ],
    ids=["sql", "included", "packed", "script"],
)
def test_the_first_error_ends_the_start(servers: Servers, readable: Path, files: dict[str, str], shown: str) -> None:
    init = write(readable, {**files, "z.sql": "CREATE TABLE never();"}, executable=("init.sh",))
    server = servers(f"--volume={init}:/docker-entrypoint-initdb.d:ro")
    assert server.end() != 0
    logs = server.logs()
    assert re.search(shown, logs)
    assert "init.s" in next(line for line in logs.splitlines() if "half initialised" in line)
    assert "z.sql" not in logs


def test_an_initialised_volume_is_started_untouched(servers: Servers, readable: Path) -> None:
    volume = servers.volume()
    init = write(readable, {"1.sql": "CREATE TABLE once();"})
    options = (f"--volume={volume}:{DATA}", f"--volume={init}:/docker-entrypoint-initdb.d:ro")
    first = servers(*options).wait()
    identifier = first.sql("SELECT system_identifier FROM pg_control_system()")
    docker("stop", first.name)
    second = servers(*options, "--env=POSTGRES_PASSWORD=Another-9-Password").wait()
    assert second.sql("SELECT system_identifier FROM pg_control_system()") == identifier
    assert "holds a cluster" in second.logs()
    assert "1.sql" not in second.logs()
    assert "Another-9-Password" not in second.run("cat", "/proc/1/environ")
    docker("stop", second.name)
    # Without any variable, as the long-lived container runs.
    assert servers(*options, password=False).wait().sql("SELECT count(*) FROM once") == "0"
