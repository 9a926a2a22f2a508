"""Build the image of a bare Debian host that runs systemd: the machine a test provisions.

Nothing of the product is in it: no Docker, no venv package, no psql. It holds what a freshly installed server has, and
what such a server needs to reach the package indexes that the machine running the tests can reach: its apt sources, the
certificates its trust store adds, its pip configuration. All three are read from the machine at build time, so no mirror
is named here.
"""

from __future__ import annotations

import configparser
import contextlib
import fcntl
import hashlib
import io
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = "ai-micro-test-host"
HASH_LABEL = "ai_micro.test_host.hash"
REGISTRY_BASE_VARIABLE = "AI_MICRO_TEST_REGISTRY_BASE"
CA_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
PROXY_VARIABLES = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")

PACKAGES = (
    "ca-certificates",
    "dbus",
    "iproute2",
    "iptables",
    "make",
    "procps",
    "python3",
    "python3-apt",
    "sudo",
    "systemd",
    "systemd-sysv",
)

# What would act on the kernel, which belongs to the machine, or wait for devices that a container has not.
MASKED = (
    "console-getty.service",
    "getty.target",
    "proc-sys-fs-binfmt_misc.automount",
    "sys-kernel-debug.mount",
    "sys-kernel-tracing.mount",
    "systemd-binfmt.service",
    "systemd-modules-load.service",
    "systemd-sysctl.service",
)

# Of apt's configuration only what decides whether an index can be fetched at all; the rest is the machine's own taste.
APT_KEYS = re.compile(
    r"^Acquire::(https?::Proxy(::.*)?|Check-Valid-Until|Check-Date|https::CaInfo) \"(.+)\";$", re.IGNORECASE
)

DOCKERFILE = """\
{base}
COPY files/ /
RUN set -eu; \\
    if [ -f /etc/apt/sources.list.d/machine.list ]; then \\
        find /etc/apt -maxdepth 2 -name '*.list' -type f ! -name machine.list -delete; \\
        find /etc/apt/sources.list.d -name '*.sources' -type f -delete; \\
    fi; \\
    export DEBIAN_FRONTEND=noninteractive; \\
    if ! dpkg -s {packages} >/dev/null 2>&1; then \\
        apt-get update; apt-get install -y --no-install-recommends {packages}; \\
    fi; \\
    update-ca-certificates; \\
    apt-get clean; rm -rf /var/lib/apt/lists/*; \\
    : > /etc/machine-id; \\
    systemctl mask {masked}
ENV container=docker
STOPSIGNAL SIGRTMIN+3
VOLUME ["/var/lib/docker", "/var/lib/containerd"]
CMD ["/sbin/init"]
LABEL {label}={digest}
"""


class BuildError(RuntimeError):
    """The image cannot be built; the message says what to do."""


@dataclass(frozen=True)
class AptSource:
    """One archive of the machine's apt sources."""

    uri: str
    suites: tuple[str, ...]
    components: tuple[str, ...]
    options: tuple[tuple[str, str], ...] = ()

    def lines(self) -> list[str]:
        """Give the source in the one-line format, which mmdebstrap and every apt read."""
        options = " ".join(f"{key}={value}" for key, value in self.options)
        prefix = f"deb [{options}] " if options else "deb "
        return [f"{prefix}{self.uri} {suite} {' '.join(self.components)}" for suite in self.suites]


def _deb822(text: str) -> Iterator[AptSource]:
    for stanza in re.split(r"\n\s*\n", text):
        fields: dict[str, str] = {}
        key = ""
        for line in stanza.splitlines():
            if line.startswith("#"):
                continue
            if line[:1].isspace() and key:
                fields[key] += " " + line.strip()
            elif ":" in line:
                name, value = line.split(":", 1)
                key = name.strip().lower()
                fields[key] = value.strip()
        if "deb" not in fields.get("types", "").split() or fields.get("enabled", "yes").lower() == "no":
            continue
        options = tuple((name, fields[name]) for name in ("signed-by", "trusted") if name in fields)
        for uri in fields.get("uris", "").split():
            suites, components = fields.get("suites", "").split(), fields.get("components", "").split()
            yield AptSource(uri, tuple(suites), tuple(components), options)


def _one_line(text: str) -> Iterator[AptSource]:
    for line in text.splitlines():
        match = re.match(r"^deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)\s+(.+)$", line.strip())
        if match:
            pairs = [option.split("=", 1) for option in (match[1] or "").split() if "=" in option]
            options = tuple((key.lower(), value) for key, value in pairs if key.lower() in ("signed-by", "trusted"))
            yield AptSource(match[2], (match[3],), tuple(match[4].split("#")[0].split()), options)


def apt_sources(release: str, etc: Path = Path("/etc/apt")) -> list[str]:
    """List the machine's Debian archives, for the release asked for, in the one-line format.

    Third parties' archives (Docker, NodeSource, …) are left out: a bare host has none. They are told apart by their
    suites, which are not a release's own, or by their component, which is not main.
    """
    found: list[AptSource] = []
    for path in sorted([etc / "sources.list", *etc.glob("sources.list.d/*")]):
        if path.is_file() and path.suffix in (".list", ".sources"):
            parse = _deb822 if path.suffix == ".sources" else _one_line
            found.extend(parse(path.read_text(encoding="utf-8")))
    own = _codename()
    lines: list[str] = []
    for source in found:
        suites = tuple(
            release + suite[len(own) :]
            for suite in source.suites
            if suite in (own, f"{own}-updates", f"{own}-security")
        )
        if suites and "main" in source.components and source.uri.startswith("http"):
            lines.extend(AptSource(source.uri, suites, ("main",), source.options).lines())
    return list(dict.fromkeys(lines))


def _codename() -> str:
    for line in Path("/etc/os-release").read_text(encoding="utf-8").splitlines():
        if line.startswith("VERSION_CODENAME="):
            return line.partition("=")[2].strip('"')
    return "stable"


def apt_configuration() -> str:
    """Give the machine's proxies and its exceptions for archives frozen in time, as an apt.conf."""
    if shutil.which("apt-config") is None:
        return ""
    dump = subprocess.run(["apt-config", "dump"], check=True, capture_output=True, text=True).stdout
    return "".join(f"{line}\n" for line in dict.fromkeys(dump.splitlines()) if APT_KEYS.match(line))


def extra_certificates(store: Path = Path("/usr/local/share/ca-certificates")) -> dict[str, bytes]:
    """Read the certificates that this machine trusts on top of its distribution's."""
    return {path.relative_to(store).as_posix(): path.read_bytes() for path in sorted(store.rglob("*.crt"))}


def pip_settings() -> dict[str, str]:
    """Merge what configures pip on this machine: its files in pip's own order, then the environment."""
    home = Path.home()
    files = [Path("/etc/pip.conf"), home / ".pip/pip.conf", home / ".config/pip/pip.conf"]
    if os.environ.get("PIP_CONFIG_FILE"):
        files.append(Path(os.environ["PIP_CONFIG_FILE"]))
    settings: dict[str, str] = {}
    for path in files:
        if not path.is_file():
            continue
        parser = configparser.RawConfigParser()
        parser.read(path, encoding="utf-8")
        for section in ("global", "install"):
            if parser.has_section(section):
                settings.update(parser.items(section))
    for name, value in os.environ.items():
        if name.startswith("PIP_") and name != "PIP_CONFIG_FILE":
            settings[name[4:].lower().replace("_", "-")] = value
    wanted = (
        "index-url",
        "extra-index-url",
        "find-links",
        "trusted-host",
        "proxy",
        "default-timeout",
        "timeout",
        "retries",
    )
    chosen = {key: value for key, value in sorted(settings.items()) if key in wanted}
    # The venv's pip trusts its own bundle only; certificates that the machine adds count for it when it is told.
    if "cert" in settings or extra_certificates():
        chosen["cert"] = CA_BUNDLE
    return chosen


def pip_directories() -> list[Path]:
    """List the local directories that the pip configuration names; a host sees them at the same place, read-only.

    An index of the simple kind links to files beside itself, so its parent directory is needed.
    """
    settings = pip_settings()
    directories: list[Path] = []
    for key in ("index-url", "extra-index-url", "find-links"):
        for word in settings.get(key, "").split():
            path = Path(word.removeprefix("file://"))
            if path.is_absolute() and path.is_dir():
                directories.append(path if key == "find-links" else path.parent)
    return sorted(set(directories))


def pip_configuration() -> str:
    """Give the pip configuration as the text of a pip.conf, empty where the machine has none."""
    settings = pip_settings()
    if not settings:
        return ""
    parser = configparser.RawConfigParser()
    parser["global"] = settings
    text = io.StringIO()
    parser.write(text)
    return text.getvalue()


def image_name(release: str) -> str:
    """Name the image of a release."""
    return f"{REPOSITORY}:{release}"


def built_digest(image: str) -> str:
    """Read the hash that an existing image was built from, empty when there is none."""
    found = subprocess.run(
        ["docker", "image", "inspect", "--format", f'{{{{index .Config.Labels "{HASH_LABEL}"}}}}', image],
        check=False,
        capture_output=True,
        text=True,
    )
    return found.stdout.strip() if found.returncode == 0 else ""


def _context_files(release: str) -> dict[str, bytes]:
    files = {
        "etc/apt/apt.conf.d/90machine": apt_configuration().encode(),
        "etc/pip.conf": pip_configuration().encode(),
    }
    sources = apt_sources(release)
    if sources:
        files["etc/apt/sources.list.d/machine.list"] = ("\n".join(sources) + "\n").encode()
    for name, content in extra_certificates().items():
        files[f"usr/local/share/ca-certificates/{name}"] = content
    return {name: content for name, content in files.items() if content}


def _digest(release: str, base: str, files: dict[str, bytes]) -> str:
    summed = hashlib.sha256()
    for part in (release, base, DOCKERFILE, *PACKAGES, *MASKED):
        summed.update(part.encode() + b"\0")
    for name, content in sorted(files.items()):
        summed.update(name.encode() + b"\0" + hashlib.sha256(content).digest())
    return summed.hexdigest()[:16]


@contextlib.contextmanager
def _one_builder(release: str) -> Iterator[None]:
    """Let a second build wait for the first one, which then spares it the work."""
    with open(Path(tempfile.gettempdir()) / f"{REPOSITORY}-{release}.lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _make_base(release: str, sources: list[str], target: Path) -> None:
    if shutil.which("mmdebstrap") is None:
        raise BuildError(
            f"mmdebstrap is not installed: install it, or set {REGISTRY_BASE_VARIABLE} to an image of Debian {release}."
        )
    if not sources:
        raise BuildError(
            f"This machine has no Debian archive in /etc/apt to make a base from: set {REGISTRY_BASE_VARIABLE} to an "
            f"image of Debian {release}."
        )
    command = [
        "mmdebstrap",
        "--quiet",
        "--variant=minbase",
        f"--include={','.join(PACKAGES)}",
        release,
        str(target),
        "-",
    ]
    subprocess.run(command, check=True, input="\n".join(sources) + "\n", text=True)


def build(release: str, *, force: bool = False) -> tuple[str, bool]:
    """Build the image of a release unless it is there already; give its name and whether it was built."""
    image = image_name(release)
    base = os.environ.get(REGISTRY_BASE_VARIABLE, "")
    files = _context_files(release)
    digest = _digest(release, base, files)
    with _one_builder(release), tempfile.TemporaryDirectory(prefix="amh-build-") as directory:
        if not force and built_digest(image) == digest:
            return image, False
        context = Path(directory)
        for name, content in files.items():
            path = context / "files" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            path.chmod(0o644)
        if not base:
            _make_base(release, apt_sources(release), context / "base.tar")
        dockerfile = DOCKERFILE.format(
            base=f"FROM {base}" if base else "FROM scratch\nADD base.tar /",
            packages=" ".join(PACKAGES),
            masked=" ".join(MASKED),
            label=HASH_LABEL,
            digest=digest,
        )
        (context / "Dockerfile").write_text(dockerfile, encoding="utf-8")
        (context / "files").mkdir(exist_ok=True)
        proxies = [f"--build-arg={name}" for name in PROXY_VARIABLES if os.environ.get(name)]
        command = ["docker", "build", "--quiet", "--force-rm", *proxies, "--tag", image, str(context)]
        subprocess.run(command, check=True)
    return image, True
