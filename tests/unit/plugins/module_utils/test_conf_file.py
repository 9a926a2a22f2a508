# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files in the form of postgresql.conf, as the server reads them."""

from __future__ import annotations

import pytest
from ansible_collections.ai_micro.postgres.plugins.module_utils._conf_file import MASK, parse_settings


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("work_mem = 4MB", {"work_mem": "4MB"}),
        ("  Work_Mem=4MB # more", {"work_mem": "4MB"}),
        ("work_mem 4MB#x", {"work_mem": "4MB"}),
        ("search_path = '\"$user\", public'", {"search_path": '"$user", public'}),
        ("log_line_prefix = 'it''s %t # '", {"log_line_prefix": "it's %t # "}),
        (r"log_line_prefix = 'a\'b'", {"log_line_prefix": "a'b"}),
        ("timezone = ''", {"timezone": ""}),
        ("#work_mem = 4MB", {}),
        ("", {}),
        ("include_dir 'conf.d'", {"include_dir": "conf.d"}),
        ("primary_conninfo = 'host=a password=b'", {"primary_conninfo": MASK}),
        ("archive_command = 'put --key=k %p'", {"archive_command": MASK}),
        ("anon.salt = 's'", {"anon.salt": MASK}),
    ],
)
def test_a_line(line: str, expected: dict[str, str]) -> None:
    assert parse_settings(line) == expected


def test_the_last_one_counts() -> None:
    assert parse_settings("port = 1\nwork_mem = 4MB\nport = '2'\n") == {"work_mem": "4MB", "port": "2"}
