# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Facts of a Linux host that decide whether an instance can run on it, read from /proc and /etc."""

from __future__ import annotations

import fcntl
import glob
import importlib.util
import os
import socket
import struct
import subprocess
from collections.abc import Iterable
from typing import Any, Optional

_TCP_LISTEN = "0A"
_SIOCGIFADDR = 0x8915


def os_release(path: str = "/etc/os-release") -> dict[str, str]:
    """Return id, version and codename of the distribution as os-release(5) gives them."""
    values: dict[str, str] = {}
    try:
        with open(path, encoding="utf-8") as file:
            for line in file:
                key, sep, value = line.strip().partition("=")
                if sep:
                    values[key] = value.strip("\"'")
    except OSError:
        pass
    return {
        "id": values.get("ID", ""),
        "version": values.get("VERSION_ID", ""),
        "codename": values.get("VERSION_CODENAME", ""),
        "name": values.get("PRETTY_NAME", ""),
    }


def service_manager() -> str:
    """Return systemd where it runs the host (sd_booted(3)), else none."""
    return "systemd" if os.path.isdir("/run/systemd/system") else "none"


def starts_at_boot(service: str) -> bool:
    """Say whether systemd starts a service or its socket at boot; True where systemd does not run the host."""
    if service_manager() == "none":
        return True
    wants = (f"multi-user.target.wants/{service}.service", f"sockets.target.wants/{service}.socket")
    return any(os.path.lexists(f"/etc/systemd/system/{want}") for want in wants)


def memory_bytes() -> int:
    """Return MemTotal, or the limit of the control group that holds this host when that is lower."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            with open(path, encoding="ascii") as file:
                text = file.read().strip()
        except OSError:
            continue
        if text.isdigit():
            total = min(total, int(text))
    return total


def huge_pages(name: str, root: str = "/") -> Optional[dict[str, Any]]:
    """Return the size of a huge page in kB, how many the kernel gives beyond those set aside (vm.nr_overcommit_hugepages),
    whether that can be changed here and whether a file of sysctl.d keeps it for an instance; None where the kernel has no huge pages.
    """
    limit = os.path.join(root, "proc/sys/vm/nr_overcommit_hugepages")
    try:
        with open(limit, encoding="ascii") as file:
            given = int(file.read())
        with open(os.path.join(root, "proc/meminfo"), encoding="ascii") as file:
            sizes = [int(line.split()[1]) for line in file if line.startswith("Hugepagesize:")]
    except (OSError, ValueError):
        return None
    if not sizes:
        return None
    kept = os.path.exists(os.path.join(root, f"etc/sysctl.d/60-{name}-huge-pages.conf"))
    return {"size_kb": sizes[0], "limit": given, "writable": os.access(limit, os.W_OK), "kept": kept}


def cpus() -> int:
    """Return the number of CPUs that this process may run on."""
    return len(os.sched_getaffinity(0))


def free_bytes(path: str) -> int:
    """Return the bytes free to root below a path, or below its nearest parent that exists."""
    while path and not os.path.exists(path):
        path = os.path.dirname(path)
    stat = os.statvfs(path or "/")
    return stat.f_bavail * stat.f_frsize


def inode(path: str) -> Optional[int]:
    """Return the inode of a path, or nothing where nothing is there."""
    try:
        return os.stat(path).st_ino
    except OSError:
        return None


def python_libraries(names: Iterable[str]) -> dict[str, bool]:
    """Say of each import name whether this interpreter finds it."""
    return {name: importlib.util.find_spec(name) is not None for name in names}


def packages(names: list[str]) -> dict[str, str]:
    """Return the installed version of each Debian package, empty where it is not installed."""
    found = dict.fromkeys(names, "")
    if not names or not os.path.exists("/usr/bin/dpkg-query"):
        return found
    command = ["/usr/bin/dpkg-query", "-W", "-f", "${Package} ${db:Status-Abbrev} ${Version}\\n", *names]
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
    for line in result.stdout.splitlines():
        parts = line.split()
        if len(parts) == 3 and parts[1] == "ii":
            found[parts[0]] = parts[2]
    return found


def interface_address(name: str) -> str:
    """Return the IPv4 address of a network interface (netdevice(7), SIOCGIFADDR), or nothing."""
    request = struct.pack("256s", name.encode()[:15])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            return socket.inet_ntoa(fcntl.ioctl(probe.fileno(), _SIOCGIFADDR, request)[20:24])
        except OSError:
            return ""


def names_and_addresses() -> dict[str, list[str]]:
    """Return the names that the host calls itself, and its loopback and default route's addresses."""
    name = socket.gethostname()
    names = [name, socket.getfqdn(name)]
    interfaces = []
    try:
        with open("/proc/net/route", encoding="ascii") as file:
            interfaces = [row.split()[0] for row in file.readlines()[1:] if row.split()[1] == "00000000"]
    except OSError:
        pass
    addresses = ["127.0.0.1", "::1", *(interface_address(interface) for interface in interfaces)]
    return {"names": list(dict.fromkeys(names)), "addresses": [a for a in dict.fromkeys(addresses) if a]}


def listeners(port: int, proc: str = "/proc") -> list[dict[str, Any]]:
    """Return who listens on a TCP port of this host: address, pid and process name of each socket."""
    sockets: dict[str, str] = {}
    for table, family in (("tcp", socket.AF_INET), ("tcp6", socket.AF_INET6)):
        try:
            with open(f"{proc}/net/{table}", encoding="ascii") as file:
                rows = file.readlines()[1:]
        except OSError:
            continue
        for row in rows:
            fields = row.split()
            raw, _sep, hex_port = fields[1].partition(":")
            if fields[3] == _TCP_LISTEN and int(hex_port, 16) == port:
                sockets[fields[9]] = _address(raw, family)
    if not sockets:
        return []
    owners = _owners(set(sockets), proc)
    return [
        {"address": address, "pid": owners.get(inode, (0, ""))[0], "process": owners.get(inode, (0, ""))[1]}
        for inode, address in sorted(sockets.items(), key=lambda item: item[1])
    ]


def _address(raw: str, family: socket.AddressFamily) -> str:
    # The kernel prints each 32-bit word of the address in the machine's byte order.
    words = [int(raw[i : i + 8], 16) for i in range(0, len(raw), 8)]
    return socket.inet_ntop(family, struct.pack(f"={len(words)}I", *words))


def _owners(inodes: set[str], proc: str) -> dict[str, tuple[int, str]]:
    wanted = {f"socket:[{inode}]": inode for inode in inodes}
    owners: dict[str, tuple[int, str]] = {}
    for link in glob.iglob(f"{proc}/[0-9]*/fd/*"):
        inode = wanted.get(_readlink(link) or "")
        if inode:
            pid = link.split("/")[-3]
            owners[inode] = (int(pid), _command_name(f"{proc}/{pid}/comm"))
    return owners


def _readlink(path: str) -> Optional[str]:
    try:
        return os.readlink(path)
    except OSError:
        return None


def _command_name(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return ""
