# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The memory that a server may use, divided among its settings so that it is never exceeded.

Sources, by setting: PostgreSQL's documentation, "Resource Consumption" (shared_buffers: 25 % of memory is a reasonable start;
work_mem: each session may take it; maintenance_work_mem and autovacuum_work_mem: each autovacuum worker takes it on top) and
"Query Planning" (effective_cache_size: what kernel and server cache together; random_page_cost); the common rule of PGTune that
sessions get no more than about a quarter of memory, the rest being the kernel's page cache; pgvector's README (an HNSW build is
fast while its graph fits maintenance_work_mem; a parallel one holds it in /dev/shm).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Optional

from ansible_collections.ai_micro.postgres.plugins.module_utils._declared import connection_limit, pool_connections
from ansible_collections.ai_micro.postgres.plugins.module_utils._pgvector import DEFAULT_OPTIONS, build_memory
from ansible_collections.ai_micro.postgres.plugins.module_utils._settings import BadValue, OutOfRange, as_text, parse

KIBIBYTE = 1024
# What an idle session keeps of its own with its catalog caches filled, and the server's processes beside sessions.
BACKEND = 2048
SERVER = 24 * KIBIBYTE
AUTOVACUUM_WORKERS = 3
SUPERUSER_RESERVED = 3
# People, reports, a backup's and a monitor's sessions beside the pools.
OTHER_CONNECTIONS = 5
LEAST_CONNECTIONS = 100
LEAST_BUFFERS = 64 * KIBIBYTE
LEAST_MAINTENANCE = 64 * KIBIBYTE
LEAST_WORK = 1024
SHM_BESIDE = 64
_DISKS: Mapping[str, Mapping[str, Any]] = {
    # A seek costs about what a sequential read does, and many reads at a time are served.
    "ssd": {"random_page_cost": "1.1", "effective_io_concurrency": 200, "maintenance_io_concurrency": 200},
    "hdd": {"random_page_cost": "4", "effective_io_concurrency": 2, "maintenance_io_concurrency": 10},
}


class Own(NamedTuple):
    """A role whose sessions have a work_mem of their own: how many they are (nothing for any number), and the settings."""

    role: str
    sessions: Optional[int]
    settings: Mapping[str, Any]


class Need(NamedTuple):
    """What the inventory asks of the server: sessions, the largest index build in kB and what it is of, roles that take more or less."""

    connections: int
    build: int
    built: str
    own: tuple[Own, ...]


class Part(NamedTuple):
    """One line of the sum, in kB."""

    name: str
    times: int
    each: int

    @property
    def total(self) -> int:
        return self.times * self.each


def _clamp(value: int, low: int, high: int) -> int:
    return max(low, min(value, high))


def _whole(kilobytes: int) -> int:
    """Whole megabytes, which a person reads more easily, in kB."""
    return kilobytes // KIBIBYTE * KIBIBYTE


def _text(kilobytes: int) -> str:
    return f"{kilobytes}kB" if kilobytes % KIBIBYTE else f"{kilobytes // KIBIBYTE}MB"


def memory_limit(given: str, host_bytes: int) -> int:
    """Bytes that the container may use: its limit in Docker's notation, or the host's memory; the lower of both."""
    row = {"name": "", "vartype": "integer", "unit": "B", "min_val": 0, "max_val": 2**62}
    text = given.strip().lower().removesuffix("ib").removesuffix("b") if given else ""
    unit = {"k": "kB", "m": "MB", "g": "GB", "t": "TB"}.get(text[-1:], "")
    return min(int(parse(row, (text[:-1] if unit else text) + unit)), host_bytes) if text else host_bytes


def _own(database: Mapping[str, Any], role_settings: Mapping[str, Any]) -> tuple[Own, ...]:
    """The role of a database where its sessions have another work_mem than those of nobody in particular."""
    settings = {name.lower(): value for name, value in {**role_settings, **(database.get("settings") or {})}.items()}
    if not {"work_mem", "hash_mem_multiplier"} & set(settings):
        return ()
    limit = connection_limit(database)
    return (Own(str(database.get("role")), None if limit is None or limit < 0 else limit, settings),)


def need(databases: list[Mapping[str, Any]], role_settings: Optional[Mapping[str, Any]] = None) -> Need:
    """Connections of all pools of all workers, the kB that the largest declared index build takes, roles with a work_mem of their own."""
    connections, build, built = 0, 0, ""
    own: tuple[Own, ...] = ()
    for database in databases:
        connections += pool_connections(database)
        own += _own(database, role_settings or {})
        for collection in database.get("collections") or ():
            index = collection.get("index") or {}
            method = index.get("method", "hnsw")
            options = {
                name: int(index.get(name) or default) for name, default in DEFAULT_OPTIONS.get(method, {}).items()
            }
            kind = "halfvec" if index.get("type") == "halfvec" else "vector"
            rows, dimensions = int(collection.get("expected_rows") or 0), int(collection.get("dimensions") or 0)
            memory = build_memory(rows, dimensions, method, kind, options) // KIBIBYTE
            if memory > build:
                build, built = memory, f"{collection.get('name')} in {database.get('name')}"
    return Need(connections, build, built, own)


def _overridden(name: str, overrides: Mapping[str, Any], unit: str) -> Optional[int]:
    """The number that an override stands for; None where there is none, or one that PostgreSQL will refuse."""
    if name not in overrides:
        return None
    row = {"name": name, "vartype": "integer", "unit": unit, "min_val": -1, "max_val": 2**62}
    try:
        return int(parse(row, as_text(overrides[name])))
    except (BadValue, OutOfRange):
        return None


class _Overrides:
    """The values that the inventory gives by name, where it gives one."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.values = {name.lower(): value for name, value in values.items()}

    def count(self, name: str, computed: int) -> int:
        given = _overridden(name, self.values, "")
        return computed if given is None else given

    def memory(self, name: str, computed: int, unit: str = "kB") -> int:
        given = _overridden(name, self.values, unit)
        if given is None or given < 0:
            return computed
        return given * 8 if unit == "8kB" else given

    def factor(self, name: str, computed: float) -> float:
        row = {"name": name, "vartype": "real", "unit": "", "min_val": 1, "max_val": 1000}
        try:
            return float(parse(row, as_text(self.values.get(name, computed))))
        except BadValue:
            return computed

    def is_negative(self, name: str) -> bool:
        given = _overridden(name, self.values, "kB")
        return given is not None and given < 0

    def has(self, name: str) -> bool:
        return _overridden(name, self.values, "kB") is not None


def _largest(low: int, high: int, fits: Callable[[int], bool]) -> int:
    """The largest number of 64 kB blocks that fits, in kB; the least where none does."""
    least, most = low // 64, high // 64
    while least < most:
        middle = (least + most + 1) // 2
        least, most = (middle, most) if fits(middle * 64) else (least, middle - 1)
    return least * 64


def _sessions(connections: int, parallel: int, work: int, factor: float, own: Sequence[Own]) -> list[Part]:
    """What sessions and parallel workers may take: each its own memory, and its role's work_mem or ``work``."""
    usual, left, parts = int(work * factor), connections, []
    for each in own:
        times = left if each.sessions is None else min(left, each.sessions)
        settings = _Overrides(each.settings)
        size = int(settings.memory("work_mem", work) * settings.factor("hash_mem_multiplier", factor))
        parts.append(Part(f"work_mem of {each.role}", times, size))
        left -= times
    # A parallel worker takes what its leader may.
    largest = max([usual, *(part.each for part in parts)])
    if largest > usual:
        parts.append(Part("work_mem of parallel workers", parallel, largest))
    else:
        left += parallel
    name = "work_mem" if factor == 1 else "work_mem x hash_mem_multiplier"
    return [
        Part("sessions and parallel workers", connections + parallel, BACKEND),
        Part(name, left, usual),
        *parts,
    ]


def _shares(limit: int, cpus: int, wanted: Need, given: _Overrides) -> tuple[dict[str, Any], list[Part]]:
    """The settings, and what each of them may take of ``limit`` kB."""
    reserved = given.count("superuser_reserved_connections", SUPERUSER_RESERVED)
    asked = wanted.connections + reserved + OTHER_CONNECTIONS
    connections = given.count("max_connections", max(LEAST_CONNECTIONS, -(-asked // 10) * 10))
    # A small container gets two parallel workers whatever the host's CPUs: each may take work_mem too.
    parallel = given.count("max_parallel_workers", _clamp(cpus, 2, max(2, 2 * limit // KIBIBYTE**2)))
    vacuums = given.count("autovacuum_max_workers", AUTOVACUUM_WORKERS)
    # A tenth more than the build is predicted to take, as pgvector_collection asks; no more than a quarter of everything.
    share = _clamp(limit * 6 // 100, LEAST_MAINTENANCE, 2 * KIBIBYTE**2)
    maintenance = given.memory("maintenance_work_mem", _whole(max(share, min(wanted.build * 11 // 10, limit // 4))))
    # -1 is PostgreSQL's word for maintenance_work_mem.
    vacuum = _whole(_clamp(limit // 64, 8 * KIBIBYTE, 512 * KIBIBYTE))
    autovacuum = given.memory(
        "autovacuum_work_mem", maintenance if given.is_negative("autovacuum_work_mem") else vacuum
    )
    # A hash may take this times work_mem: with 1, what is counted is what is taken.
    factor = given.factor("hash_mem_multiplier", 1.0)
    least_work = given.memory("work_mem", LEAST_WORK)

    def shared_out(work: int) -> list[Part]:
        return _sessions(connections, parallel, work, factor, wanted.own)

    def rest(buffers: int, wal: int, work: int) -> int:
        taken = buffers + buffers // 32 + wal + SERVER + maintenance + vacuums * autovacuum
        return limit - taken - sum(part.total for part in shared_out(work))

    buffers = given.memory("shared_buffers", limit // 4, "8kB")
    wal = given.memory("wal_buffers", _whole(_clamp(buffers // 32, 8 * KIBIBYTE, 16 * KIBIBYTE)), "8kB")
    if not given.has("shared_buffers"):
        short = max(0, -rest(buffers, wal, least_work))
        buffers = max(LEAST_BUFFERS, buffers - short * 32 // 31 - 1) if short else buffers
        buffers = _whole(buffers)
    most = max(4 * KIBIBYTE, limit // 4 // max(connections + parallel, 1))
    work = given.memory("work_mem", _largest(LEAST_WORK, most, lambda work: rest(buffers, wal, work) >= 0))
    settings = {
        "max_connections": connections,
        "superuser_reserved_connections": reserved,
        "shared_buffers": _text(buffers),
        "effective_cache_size": _text(_whole(limit * 60 // 100)),
        "work_mem": _text(work),
        "hash_mem_multiplier": f"{factor:g}",
        "maintenance_work_mem": _text(maintenance),
        "autovacuum_work_mem": _text(autovacuum),
        "autovacuum_max_workers": vacuums,
        "wal_buffers": _text(wal),
        "max_wal_size": _text(_whole(_clamp(limit, 2 * KIBIBYTE**2, 16 * KIBIBYTE**2))),
        "min_wal_size": _text(_whole(_clamp(limit // 8, 256 * KIBIBYTE, 2 * KIBIBYTE**2))),
        "max_worker_processes": max(8, parallel + 4),
        "max_parallel_workers": parallel,
        "max_parallel_workers_per_gather": min(4, max(1, parallel // 2)),
        "max_parallel_maintenance_workers": min(4, max(1, parallel // 2)),
    }
    parts = [
        Part("shared_buffers", 1, buffers),
        Part("other shared memory (shared_buffers / 32)", 1, buffers // 32),
        Part("wal_buffers", 1, wal),
        Part("the server's own processes", 1, SERVER),
        Part("maintenance_work_mem", 1, maintenance),
        Part("autovacuum_work_mem", vacuums, autovacuum),
        *shared_out(work),
    ]
    return settings, parts


def _problems(settings: Mapping[str, Any], parts: list[Part], limit: int, wanted: Need) -> list[str]:
    problems = []
    room = settings["max_connections"] - settings["superuser_reserved_connections"]
    if wanted.connections > room:
        problems.append(
            f"The pools of postgres_databases open up to {wanted.connections} connections (size + overflow, times workers) and "
            f"{settings['superuser_reserved_connections']} are reserved, but max_connections is {settings['max_connections']}, "
            f"{wanted.connections - room} too few: raise max_connections in postgres_instance_settings or make the pools smaller."
        )
    total = sum(part.total for part in parts)
    if total > limit:
        arithmetic = " + ".join(
            f"{part.total // KIBIBYTE} MB {part.name}"
            + (f" ({part.times} x {part.each / KIBIBYTE:.4g} MB)" if part.times > 1 else "")
            for part in parts
        )
        problems.append(
            f"The server may use {limit // KIBIBYTE} MB and would need {-(-total // KIBIBYTE)} MB: {arithmetic}. "
            "Raise postgres_common_memory, or lower pools, expected_rows or the settings in postgres_instance_settings and postgres_databases."
        )
    return problems


def _notes(wanted: Need, maintenance: int) -> list[str]:
    asked = wanted.build * 11 // 10
    if _whole(asked) <= maintenance:
        return []
    return [
        f"The largest index that is expected ({wanted.built}) takes {-(-asked // KIBIBYTE)} MB to build in memory, and maintenance_work_mem is "
        f"{maintenance // KIBIBYTE} MB, {-(-(asked - maintenance) // KIBIBYTE)} MB too little: it is built all the same, several times as slowly; "
        "raise postgres_common_memory, or correct expected_rows."
    ]


def memory_budget(
    host: Mapping[str, Any],
    memory: str,
    databases: list[Mapping[str, Any]],
    overrides: Optional[Mapping[str, Any]] = None,
    disk: str = "ssd",
    role_settings: Optional[Mapping[str, Any]] = None,
) -> dict[str, Any]:
    """Divide the memory; return C(settings), the C(shm_mb) of /dev/shm, the C(table) and C(notes) to print, and C(problems).

    shared_buffers is 25 % (less where sessions would not fit otherwise, at least 64 MB), effective_cache_size 60 %,
    maintenance_work_mem 6 % from 64 MB to 2 GB, more where expected embeddings ask for it but at most 25 %,
    autovacuum_work_mem 1/64 from 8 to 512 MB. work_mem is what the sessions may share, at most 25 % or 4 MB each. An
    override counts as it is given, and the rest makes room for it; so does a work_mem that C(role_settings), or the settings of a
    database's role, give the sessions of that role. What a session may keep of temporary tables is not counted, since no
    service may make any, and logical decoding is not, since no role may replicate over the network.
    """
    unreadable = ""
    try:
        limit = memory_limit(memory, int(host["memory_bytes"])) // KIBIBYTE
    except BadValue:
        limit = int(host["memory_bytes"]) // KIBIBYTE
        unreadable = f"postgres_common_memory is {memory}, which is no size: write it as 512m or 2g, or leave it empty for the host's memory."
    given = _Overrides(overrides or {})
    wanted = need(databases, role_settings)
    settings, parts = _shares(limit, int(host.get("cpus") or 1), wanted, given)
    problems = _problems(settings, parts, limit, wanted)
    maintenance = next(part.each for part in parts if part.name == "maintenance_work_mem")
    total = sum(part.total for part in parts)
    rows = [(part.name, f"{part.times} x {part.each / KIBIBYTE:.4g}", part.total / KIBIBYTE) for part in parts]
    rows += [("sum", "", total / KIBIBYTE), ("may be used", "", limit / KIBIBYTE)]
    return {
        "settings": {**settings, **_DISKS[disk]},
        "shm_mb": maintenance // KIBIBYTE + SHM_BESIDE,
        "table": [f"{name:<42}{how:>14}{size:>10.1f} MB" for name, how, size in rows],
        "sum_mb": -(-total // KIBIBYTE),
        "limit_mb": limit // KIBIBYTE,
        "notes": _notes(wanted, maintenance),
        "problems": [unreadable] if unreadable else problems,
    }
