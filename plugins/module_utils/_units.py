# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sizes, as this collection counts and shows them: its MB are PostgreSQL's, of 1024 times 1024 bytes."""

from __future__ import annotations

MEBIBYTE = 1024 * 1024
