# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every kind of object that is compared, in the order of creation. A new kind is a file beside the others and a line here."""

from __future__ import annotations

from collections.abc import Mapping

from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.kinds import (
    aggregate,
    cast,
    collation,
    column,
    composite_type,
    constraint,
    database,
    default_privileges,
    domain,
    domain_constraint,
    enum,
    event_trigger,
    extension,
    function,
    index,
    materialized_view,
    operator,
    policy,
    publication,
    range_type,
    rule,
    schema,
    sequence,
    statistics,
    table,
    trigger,
    view,
    view_column,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.model import Kind

KINDS: Mapping[str, Kind] = {
    module.KIND.name: module.KIND
    for module in (
        database,
        schema,
        extension,
        collation,
        enum,
        composite_type,
        domain,
        domain_constraint,
        range_type,
        sequence,
        function,
        aggregate,
        cast,
        operator,
        table,
        column,
        constraint,
        index,
        view,
        materialized_view,
        view_column,
        trigger,
        rule,
        policy,
        statistics,
        publication,
        default_privileges,
        event_trigger,
    )
}
