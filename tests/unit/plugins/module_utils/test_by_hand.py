# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What was set on the server without the inventory is named with its remedy; what is declared or was taken over is not."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.ai_micro.postgres.plugins.module_utils._by_hand import settings_by_hand

UNDECLARED = (
    "postgresql.auto.conf in the volume pg_data sets jit = off, which nobody declared: take it away by ALTER SYSTEM RESET jit and a reload, "
    "or declare it in postgres_instance_settings."
)


def judged(*overrides: str) -> list[dict[str, Any]]:
    """Give two declared settings, the first overridden."""
    return [{"name": "row_security", "overrides": list(overrides)}, {"name": "TimeZone", "overrides": list(overrides)}]


@pytest.mark.parametrize(
    ("found", "permitted", "sentences"),
    [
        ({}, {}, []),
        ({"jit": "off"}, {}, [UNDECLARED]),
        ({"jit": "off"}, {"jit": "off"}, []),
        ({"jit": "off"}, {"jit": "on"}, [UNDECLARED]),
        # Declared ones are compared with what is in force.
        ({"row_security": "off", "timezone": "Asia/Tokyo"}, {}, []),
    ],
)
def test_alter_system(found: dict[str, str], permitted: dict[str, str], sentences: list[str]) -> None:
    assert settings_by_hand(judged(), found, permitted, ["row_security"], ["reader"], "pg_data") == sentences


@pytest.mark.parametrize(
    ("override", "named"),
    [
        ("ALTER DATABASE authdb SET row_security=off", True),
        ("ALTER ROLE postgres SET row_security=off", True),
        ("ALTER ROLE reader_of_another SET row_security=off", True),
        ("ALTER ROLE reader SET row_security=off", False),
        ('ALTER ROLE "reader" SET row_security=off', False),
        ("ALTER ROLE reader_2 IN DATABASE authdb SET row_security=off", False),
    ],
)
def test_safeguard_of_some_sessions(override: str, named: bool) -> None:
    found = settings_by_hand(judged(override), {}, {}, ["row_security"], ["reader"], "pg_data")
    assert [sentence.startswith(f"{override}: takes a safeguard") for sentence in found] == [True] * named
