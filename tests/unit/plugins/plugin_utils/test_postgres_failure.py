# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Why a program of PostgreSQL failed, found in what it printed."""

from __future__ import annotations

import pytest
from ansible_collections.ai_micro.postgres.plugins.plugin_utils._postgres_failure import explain_failure

PREFIX = "2026-11-24 01:02:03 UTC [42]: [1-1] user=,db=,app=,client= "


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        pytest.param("", "it printed nothing.", id="nothing"),
        pytest.param("\n \n", "it printed nothing.", id="blank lines"),
        pytest.param(
            'CREATE DATABASE\npsql:/i/init.sql:3: ERROR:  syntax error at or near "CREAT"\nLINE 1: CREAT TABLE x\n'
            "        ^\nlater\n",
            'psql:/i/init.sql:3: ERROR: syntax error at or near "CREAT" LINE 1: CREAT TABLE x.',
            id="psql",
        ),
        pytest.param(
            "psql:a.sql:9: ERROR:  duplicate key\nDETAIL:  Key (id)=(1) already exists.\nmore",
            "psql:a.sql:9: ERROR: duplicate key DETAIL: Key (id)=(1) already exists.",
            id="detail",
        ),
        pytest.param("ERROR:  first\nERROR:  second", "ERROR: first.", id="the first of two"),
        pytest.param(
            f'{PREFIX}LOG:  invalid value for parameter "work_mem": "x"\n{PREFIX}HINT:  Valid units are "B".\n'
            f"{PREFIX}FATAL:  configuration file contains errors",
            'LOG: invalid value for parameter "work_mem": "x" HINT: Valid units are "B".',
            id="a server's log",
        ),
        pytest.param(
            f"{PREFIX}LOG:  starting PostgreSQL\n{PREFIX}LOG:  invalid length of startup packet\n"
            f"{PREFIX}FATAL:  terminating",
            "FATAL: terminating.",
            id="a stranger's packet",
        ),
        pytest.param(
            f'{PREFIX}LOG:  unrecognized configuration parameter "wrok_mem" in file "/c/postgresql.conf" line 7\n'
            f'{PREFIX}FATAL:  configuration file "/c/postgresql.conf" contains errors',
            'LOG: unrecognized configuration parameter "wrok_mem" in file "/c/postgresql.conf" line 7.',
            id="an unknown setting",
        ),
        pytest.param(
            f'{PREFIX}LOG:  99 is outside the valid range for parameter "port" (100 .. 200)\n'
            f"{PREFIX}FATAL:  configuration file contains errors",
            'LOG: 99 is outside the valid range for parameter "port" (100 .. 200).',
            id="out of range",
        ),
        pytest.param(
            f'{PREFIX}LOG:  invalid authentication method "scram"\n'
            f'{PREFIX}CONTEXT:  line 3 of configuration file "/c/pg_hba.conf"\n{PREFIX}FATAL:  could not load',
            'LOG: invalid authentication method "scram" CONTEXT: line 3 of configuration file "/c/pg_hba.conf".',
            id="pg_hba",
        ),
        pytest.param(
            f"{PREFIX}LOG:  starting PostgreSQL\n{PREFIX}FATAL:  data directory has wrong ownership",
            "FATAL: data directory has wrong ownership.",
            id="fatal",
        ),
        pytest.param(
            "2026-11-24 01:02:03.456 UTC [42] FATAL:  lock file exists", "FATAL: lock file exists.", id="stock prefix"
        ),
        pytest.param(
            "initdb: error: directory exists but is not empty",
            "initdb: error: directory exists but is not empty.",
            id="initdb",
        ),
        pytest.param("one\ntwo\nthree\nfour", "two three four.", id="no error named"),
    ],
)
def test_explain_failure(output: str, reason: str) -> None:
    assert explain_failure(output) == reason
