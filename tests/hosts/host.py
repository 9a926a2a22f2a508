"""A throw-away Debian host for tests: a container in which systemd runs, and in which Docker can be installed.

Used as a module by the tests and as a command by Molecule's playbooks, from the top of the repository:

    python3 -m tests.hosts.host start amh-example
    python3 -m tests.hosts.host exec amh-example -- systemctl status
    python3 -m tests.hosts.host remove amh-example
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.hosts.host_image import PROXY_VARIABLES, build, image_name, pip_directories

NAME_PREFIX = "amh-"
CHECKOUT_LABEL = "ai_micro.test_host.checkout"
CHECKOUT = str(Path(__file__).resolve().parents[2])
BOOT_TIMEOUT = 120
BOOTED = ("running", "degraded")

# systemd wants to find these empty at every boot.
SYSTEMD_OPTIONS = ("--tmpfs=/run:exec,mode=755", "--tmpfs=/run/lock")

# Where the kernel withholds CAP_SYS_RESOURCE, --privileged fails although everything that matters is granted.
NEARLY_PRIVILEGED = (
    "--cap-add=ALL",
    "--cap-drop=SYS_RESOURCE",
    "--security-opt=seccomp=unconfined",
    "--security-opt=apparmor=unconfined",
    "--security-opt=systempaths=unconfined",
)

# A hierarchy that only hosts mount outlives them while it has a group: the empty parent of the nested ones is such.
END_NESTED = """
command -v docker >/dev/null || exit 0
docker ps --quiet | xargs --no-run-if-empty docker kill
rmdir /sys/fs/cgroup/*/docker
"""

# What a run may leave in a host. Left out is what the running system writes by itself: random seeds, the stamps of
# timers, apt's indexes.
SNAPSHOT = r"""
dpkg-query -W
find /etc /usr/bin /usr/sbin /usr/local /var/lib -xdev \
    \( -path /var/lib/apt/lists -o -path /var/lib/apt/periodic -o -path /var/lib/systemd \) -prune \
    -o -printf '%p %y %m %u %g %l\n' | sort
find /etc /usr/bin /usr/sbin /usr/local /var/lib -xdev \
    \( -path /var/lib/apt/lists -o -path /var/lib/apt/periodic -o -path /var/lib/systemd \) -prune \
    -o -type f -print0 | sort -z | xargs -0 sha256sum
"""


class HostError(RuntimeError):
    """A test host did not do what it must; the message holds what it said."""


def _docker(*arguments: str, check: bool = True, timeout: float | None = 300) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(["docker", *arguments], check=False, capture_output=True, text=True, timeout=timeout)
    if check and done.returncode != 0:
        raise HostError(f"docker {arguments[0]} failed: {done.stderr.strip()}")
    return done


def _cgroup_v1_options() -> list[str]:
    """Give the machine's hierarchies of control groups to the host, below a tmpfs of the host's own.

    With the machine's /sys/fs/cgroup itself, the host's systemd would remount that tmpfs read-only, for the machine too,
    and leave directories in it.
    """
    mounted = [line.split()[1:3] for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines()]
    hierarchies = sorted(
        path for path, kind in mounted if kind.startswith("cgroup") and path.startswith("/sys/fs/cgroup/")
    )
    options = ["--cgroupns=host", "--tmpfs=/sys/fs/cgroup:mode=755"]
    return options + [f"--volume={path}:{path}:rw" for path in hierarchies]


def privilege_options() -> list[list[str]]:
    """Give the ways to run systemd, the usual one first; the second is for kernels that grant less."""
    if _docker("info", "--format", "{{.CgroupVersion}}").stdout.strip() == "1":
        cgroups = _cgroup_v1_options()
        return [["--privileged", *cgroups], [*NEARLY_PRIVILEGED, *cgroups]]
    # With cgroup v2 a private namespace gives systemd a tree of its own; only --privileged may write to it.
    shared = ["--cgroupns=host", "--volume=/sys/fs/cgroup:/sys/fs/cgroup:rw"]
    return [["--privileged", "--cgroupns=private"], [*NEARLY_PRIVILEGED, *shared]]


@dataclass
class Host:
    """A running test host; leaving its context removes it, its volumes and whatever ran inside."""

    name: str
    environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse a name that might be somebody else's container."""
        if not self.name.startswith(NAME_PREFIX):
            raise HostError(
                f"A test host's name begins with {NAME_PREFIX}: {self.name!r} might be another's container."
            )

    @classmethod
    def start(cls, name: str, release: str = "bookworm", mounts: Mapping[Path, Path] | None = None) -> Host:
        """Start a host in place of one of the same name, and wait until it has booted."""
        host = cls(name)
        host.remove()
        build(release)
        places = {path: path for path in pip_directories()} | dict(mounts or {})
        options = [
            f"--name={name}",
            f"--hostname={name}",
            f"--label={CHECKOUT_LABEL}={CHECKOUT}",
            *SYSTEMD_OPTIONS,
            *(f"--volume={source}:{target}:ro" for source, target in places.items()),
            *(f"--env={variable}" for variable in PROXY_VARIABLES if os.environ.get(variable)),
        ]
        problems: list[str] = []
        for privileges in privilege_options():
            started = _docker("run", "--detach", *options, *privileges, image_name(release), check=False)
            if started.returncode == 0:
                try:
                    host.wait_booted()
                except HostError:
                    host.remove()
                    raise
                return host
            problems.append(started.stderr.strip())
            host.remove()
        raise HostError(f"No way to run a host on this Docker Engine: {' / '.join(problems)}")

    def wait_booted(self, timeout: float = BOOT_TIMEOUT) -> str:
        """Wait until systemd has started everything; give its state."""
        deadline = time.monotonic() + timeout
        answer = ""
        while time.monotonic() < deadline:
            # `--wait` blocks until the boot is over, but only once systemd answers at all: hence the loop.
            asked = _docker("exec", self.name, "systemctl", "is-system-running", "--wait", check=False, timeout=timeout)
            answer = asked.stdout.strip() or asked.stderr.strip()
            if answer in BOOTED:
                return answer
            if _docker("inspect", "--format", "{{.State.Running}}", self.name, check=False).stdout.strip() != "true":
                break
            time.sleep(0.2)
        said = _docker("logs", "--tail=30", self.name, check=False)
        raise HostError(f"{self.name} has not booted ({answer}):\n{said.stdout}{said.stderr}")

    def exec(
        self,
        *command: str,
        check: bool = True,
        directory: str = "/root",
        environment: Mapping[str, str] | None = None,
        stdin: str | None = None,
        log: IO[str] | None = None,
        timeout: float = 600,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in the host; with a log, its whole output goes there as it comes, and is returned too."""
        variables = {**self.environment, **(environment or {})}
        options = [f"--env={key}={value}" for key, value in variables.items()]
        if stdin is not None:
            options.append("--interactive")
        arguments = ["docker", "exec", f"--workdir={directory}", *options, self.name, *command]
        if log is None:
            done = subprocess.run(arguments, check=False, capture_output=True, text=True, input=stdin, timeout=timeout)
        else:
            log.write(f"\n$ {' '.join(command)}\n")
            log.flush()
            before = log.tell()
            ended = subprocess.run(
                arguments, check=False, stdout=log, stderr=subprocess.STDOUT, text=True, input=stdin, timeout=timeout
            )
            output = Path(log.name).read_text(encoding="utf-8", errors="replace")[before:]
            done = subprocess.CompletedProcess(arguments, ended.returncode, output, "")
        if check and done.returncode != 0:
            raise HostError(
                f"{' '.join(command)} failed on {self.name} with exit code {done.returncode}:\n{done.stdout}{done.stderr}"
            )
        return done

    def shell(self, script: str, *, check: bool = True, timeout: float = 600) -> str:
        """Run a shell script in the host and give what it printed."""
        return self.exec("sh", "-euc", script, check=check, timeout=timeout).stdout

    def snapshot(self) -> set[str]:
        """Describe packages and files, so that two of these show what has changed in between."""
        return set(self.shell(SNAPSHOT).splitlines())

    def copy_in(self, source: Path, target: str) -> None:
        """Copy a file or a directory into the host."""
        _docker("cp", str(source), f"{self.name}:{target}")

    def restart(self) -> None:
        """Reboot: systemd stops its services, the container ends and boots again with its volumes."""
        _docker("restart", "--time=180", self.name)
        self.wait_booted()

    def refuse_foreign(self) -> None:
        """Refuse a container that another checkout's tests may be using at this moment, or that is no test host."""
        template = f'{{{{index .Config.Labels "{CHECKOUT_LABEL}"}}}}'
        found = _docker("container", "inspect", "--format", template, self.name, check=False)
        owner = found.stdout.strip()
        if found.returncode == 0 and owner != CHECKOUT and (not owner or Path(owner).is_dir()):
            raise HostError(
                f"{self.name} belongs to {owner or 'something else than these tests'}: wait until it is gone, or set "
                f"AI_MICRO_TEST_SUFFIX for another name."
            )

    def remove(self) -> None:
        """Remove the host with its volumes; what runs in its own Docker Engine goes first.

        The control groups of nested containers are not below the host's own on cgroup v1: an orderly end of the
        containers is what removes them.
        """
        self.refuse_foreign()
        if _docker("inspect", "--format", "{{.State.Running}}", self.name, check=False).stdout.strip() == "true":
            _docker("exec", self.name, "timeout", "30", "sh", "-c", END_NESTED, check=False)
        removed = _docker("rm", "--force", "--volumes", self.name, check=False)
        if removed.returncode != 0 and "No such container" not in removed.stderr:
            raise HostError(f"{self.name} cannot be removed: {removed.stderr.strip()}")

    def __enter__(self) -> Host:
        """Give the host itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove the host, whatever happened."""
        self.remove()


def main(arguments: Sequence[str] | None = None) -> int:
    """Do one thing to one host."""
    parser = argparse.ArgumentParser(description="Start, use and remove a test host.")
    actions = parser.add_subparsers(dest="action", required=True)
    for action, text in (
        ("start", "start it afresh and wait until it has booted"),
        ("restart", "reboot it and wait until it has booted"),
        ("remove", "remove it and its volumes"),
        ("exec", "run a command in it"),
    ):
        sub = actions.add_parser(action, help=text)
        sub.add_argument("name", help=f"its name, which begins with {NAME_PREFIX}")
        if action == "start":
            sub.add_argument("--release", default="bookworm", help="Debian release (default: %(default)s)")
            sub.add_argument("--mount", action="append", default=[], metavar="HERE:THERE", help="show it a file")
        if action == "exec":
            sub.add_argument("command", nargs=argparse.REMAINDER)
    chosen = parser.parse_args(arguments)
    try:
        if chosen.action == "start":
            pairs = (mount.split(":", 1) for mount in chosen.mount)
            Host.start(chosen.name, chosen.release, {Path(here): Path(there) for here, there in pairs})
        elif chosen.action == "exec":
            command = chosen.command[1:] if chosen.command[:1] == ["--"] else chosen.command
            done = Host(chosen.name).exec(*command, check=False)
            sys.stdout.write(done.stdout)
            sys.stderr.write(done.stderr)
            return done.returncode
        elif chosen.action == "restart":
            Host(chosen.name).restart()
        else:
            Host(chosen.name).remove()
    except HostError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
