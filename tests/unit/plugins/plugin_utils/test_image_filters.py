# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the role postgres_image decides: versions of pgvector, sources of packages, words for a failed build."""

from __future__ import annotations

from typing import Optional

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.ai_micro.postgres.plugins.plugin_utils._debian_sources import debian_sources
from ansible_collections.ai_micro.postgres.plugins.plugin_utils._image_build_failure import image_build_failure
from ansible_collections.ai_micro.postgres.plugins.plugin_utils._pgvector_advice import pgvector_advice

MAIN = "http://mirror.example/debian"
SECURITY = "http://mirror.example/debian-security"
KEY = "[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]"
THREE = [
    f"deb {KEY} {MAIN} bookworm main",
    f"deb {KEY} {MAIN} bookworm-updates main",
    f"deb {KEY} {SECURITY} bookworm-security main",
]


@pytest.mark.parametrize(
    ("version", "workers", "said"),
    [
        ("", None, ""),
        ("0.4.4", None, ""),
        ("0.5.1", None, "vacuum"),
        ("0.6.0", 0, "CVE-2026-3172"),
        ("0.7", 0, "CVE-2026-3172"),
        ("0.8.0", 0, "CVE-2026-3172"),
        ("0.8.0-1", 0, "CVE-2026-3172"),
        ("0.8.1", 0, "CVE-2026-3172"),
        ("0.8.2", None, "vacuum"),
        ("0.8.3", None, ""),
        ("0.9.0", None, ""),
        ("0.10.0", None, ""),
        ("1.0", None, ""),
    ],
)
def test_pgvector_advice(version: str, workers: Optional[int], said: str) -> None:
    advice = pgvector_advice(version)
    assert advice["max_parallel_maintenance_workers"] == workers
    assert advice["vulnerable"] is (workers == 0)
    assert said in advice["reason"]
    assert bool(said) == bool(advice["reason"])


@pytest.mark.parametrize(
    ("indexes", "expected"),
    [
        pytest.param(
            [f"Debian|bookworm|main|{MAIN}/", f"Debian|bookworm-security|main|{SECURITY}/"], THREE, id="its own release"
        ),
        pytest.param(
            [f"Debian|trixie|main|{MAIN}/", f"Debian|trixie-security|main|{SECURITY}/"], THREE, id="another release"
        ),
        pytest.param(
            [f"Debian|stable|main|{MAIN}/", f"Debian|stable-security|main|{SECURITY}/"], THREE, id="by its role"
        ),
        pytest.param(
            [f"|bookworm|main|{MAIN}/", f"|bookworm-security|main|{SECURITY}/"], THREE, id="before apt update"
        ),
        pytest.param(
            [
                "Docker|bookworm|stable|https://docker.example/linux/debian/",
                "Grafana|stable|main|https://grafana.example/",
                "PGDG|bookworm-pgdg|main|https://pg.example/pub/repos/apt/",
                f"Debian|bookworm|contrib|{MAIN}-other/",
                f"Debian|bookworm|main|{MAIN}/",
                f"Debian|bookworm-security|main|{SECURITY}/",
            ],
            THREE,
            id="among others",
        ),
        pytest.param([f"Debian|bookworm|main|{MAIN}"], THREE[:2], id="without security"),
        pytest.param(
            [
                "Debian|bookworm|main|mirror+file:/etc/apt/mirrors/debian.list/",
                "Debian|bookworm-security|main|mirror+file:/etc/apt/mirrors/security.list/",
            ],
            THREE,
            id="lists of mirrors",
        ),
    ],
)
def test_debian_sources(indexes: list[str], expected: list[str]) -> None:
    lists = {
        "/etc/apt/mirrors/debian.list": f"# ours\n{MAIN} priority:1\n",
        "/etc/apt/mirrors/security.list": f"\n{SECURITY}\n",
    }
    assert debian_sources(indexes, "bookworm", mirror_lists=lists) == expected


def test_debian_sources_from_variables() -> None:
    host = ["Debian|bookworm|main|http://elsewhere.example/debian/"]
    assert debian_sources(host, "bookworm", mirror=f"{MAIN}/", security_mirror=SECURITY) == THREE


@pytest.mark.parametrize(
    ("indexes", "said"),
    [
        (["Ubuntu|noble|main|http://mirror.example/ubuntu/"], "set postgres_image_mirror to one"),
        ([], "set postgres_image_mirror to one"),
        (["Debian|bookworm|main|cdrom://[Debian]/"], "set postgres_image_mirror and postgres_image_security_mirror"),
        (["Debian|bookworm|main|mirror+file:/missing/"], "mirror+file:/missing cannot be used"),
    ],
)
def test_no_debian_mirror(indexes: list[str], said: str) -> None:
    with pytest.raises(AnsibleFilterError) as refused:
        debian_sources(indexes, "bookworm")
    assert said in str(refused.value)


BUILDER = "Error building i:1 - code: {code}, message: {message}, logs: {logs!r}"


@pytest.mark.parametrize(
    ("result", "source", "said"),
    [
        pytest.param(
            {"msg": BUILDER.format(code=None, message="Get https://r/v2/: dial tcp: lookup r: no such host", logs=[])},
            "registry",
            "postgres_image_source: packages, which builds without a registry.",
            id="registry unreachable",
        ),
        pytest.param(
            {"msg": BUILDER.format(code=100, message="'apt-get' returned a non-zero code: 100", logs=["E: dial tcp"])},
            "registry",
            "what had that name before still has it",
            id="a step failed, the registry answered",
        ),
        pytest.param(
            {
                "msg": BUILDER.format(
                    code=2, message="'make' returned a non-zero code: 2", logs=["\x1b[91mgcc: no\x1b[0m"]
                )
            },
            "packages",
            "\ngcc: no",
            id="the builder's last lines",
        ),
        pytest.param(
            {
                "msg": BUILDER.format(
                    code=100, message="x returned a non-zero code: 100", logs=["a", "\x1b[91mE", ": ", "No file."]
                )
            },
            "packages",
            "\nE: No file.",
            id="apt's error, which the Engine streams in pieces",
        ),
        pytest.param(
            {"msg": "non-zero return code", "stderr": "E: mmdebstrap failed to run"},
            "packages",
            "\nE: mmdebstrap failed to run",
            id="a command failed",
        ),
    ],
)
def test_image_build_failure(result: dict[str, str], source: str, said: str) -> None:
    words = image_build_failure(result, "i:1", source)
    assert words.startswith("Image i:1 was not built")
    assert said in words


def test_image_build_failure_keeps_the_end() -> None:
    result = {"msg": "non-zero return code", "stderr": "\n".join(f"line {number}" for number in range(99))}
    assert image_build_failure(result, "i:1", "packages", lines=3).splitlines()[1:] == ["line 96", "line 97", "line 98"]
