# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tables, partitioned ones and partitions among them; columns, constraints and indexes are kinds of their own."""

from __future__ import annotations

from typing import Any, Optional

from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.kinds.column import clause, default_apart
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.kinds.shared import (
    USER_SCHEMA,
    acl,
    comment_join,
    common,
    extension_member,
    named,
    schema_of,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.model import (
    Attribute,
    Change,
    Creation,
    Data,
    Kind,
    Snapshot,
    Step,
    Thing,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.options import normal_options
from ansible_collections.ai_micro.postgres.plugins.module_utils._schema.text import (
    dotted,
    ident,
    names_clause,
    options_clause,
)

_address = named("TABLE")

# With the index of its replica identity dropped, a table has none.
QUERY = f"""
SELECT ARRAY[n.nspname, c.relname]::text[] AS id, c.oid AS _oid,
       pg_catalog.format('%I.%I', n.nspname, c.relname) AS _name,
       CASE c.relpersistence WHEN 'u' THEN 'unlogged' ELSE 'permanent' END AS persistence,
       CASE WHEN c.relkind = 'p' THEN pg_catalog.pg_get_partkeydef(c.oid) END AS partition_key,
       CASE WHEN c.relispartition THEN (
           SELECT pg_catalog.format('%I.%I', pn.nspname, p.relname) FROM pg_catalog.pg_inherits i
           JOIN pg_catalog.pg_class p ON p.oid = i.inhparent JOIN pg_catalog.pg_namespace pn ON pn.oid = p.relnamespace
           WHERE i.inhrelid = c.oid) END AS partition_of,
       CASE WHEN c.relispartition THEN pg_catalog.pg_get_expr(c.relpartbound, c.oid) END AS bound,
       CASE WHEN c.relispartition THEN pg_catalog.pg_get_partition_constraintdef(c.oid) END AS _takes,
       CASE WHEN NOT c.relispartition THEN ARRAY(
           SELECT pg_catalog.format('%I.%I', pn.nspname, p.relname) FROM pg_catalog.pg_inherits i
           JOIN pg_catalog.pg_class p ON p.oid = i.inhparent JOIN pg_catalog.pg_namespace pn ON pn.oid = p.relnamespace
           WHERE i.inhrelid = c.oid ORDER BY i.inhseqno) ELSE ARRAY[]::text[] END AS inherits,
       CASE WHEN c.reloftype <> 0 THEN pg_catalog.format_type(c.reloftype, NULL) END AS of_type,
       c.reloptions || ARRAY(SELECT 'toast.' || o FROM pg_catalog.unnest(toast.reloptions) o) AS options,
       am.amname::text AS access_method, ts.spcname::text AS tablespace,
       c.relrowsecurity AS row_security, c.relforcerowsecurity AS force_row_security,
       CASE c.relreplident WHEN 'd' THEN 'default' WHEN 'n' THEN 'nothing' WHEN 'f' THEN 'full' ELSE COALESCE((
           SELECT 'index ' || pg_catalog.quote_ident(r.relname) FROM pg_catalog.pg_index x
           JOIN pg_catalog.pg_class r ON r.oid = x.indexrelid
           WHERE x.indrelid = c.oid AND x.indisreplident), 'nothing') END AS replica_identity,
       pg_catalog.pg_get_userbyid(c.relowner) AS owner, {acl("c.relacl", "c.relowner")} AS privileges,
       d.description AS comment
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_class toast ON toast.oid = c.reltoastrelid AND toast.reloptions IS NOT NULL
LEFT JOIN pg_catalog.pg_am am ON am.oid = c.relam LEFT JOIN pg_catalog.pg_tablespace ts ON ts.oid = c.reltablespace
{comment_join("pg_class", "c.oid")}
WHERE c.relkind IN ('r', 'p') AND {USER_SCHEMA} AND NOT {extension_member("pg_class", "c.oid")}
"""


def _refine(attributes: dict[str, Any], _facts: dict[str, Any]) -> None:
    attributes["options"] = normal_options(attributes["options"], "table")


def _create(creation: Creation) -> list[Step]:
    thing = creation.thing
    attributes = thing.attributes
    unlogged = "UNLOGGED " if attributes["persistence"] == "unlogged" else ""
    columns = creation.expected.children("column").get(thing.identity, [])
    columns = sorted(columns, key=lambda column: int(column.facts["sub"]))
    own = [column for column in columns if not column.facts["inherited"]]
    head = f"CREATE {unlogged}TABLE {dotted(thing.identity)}"
    if attributes["partition_of"]:
        head += f" PARTITION OF {attributes['partition_of']} {attributes['bound']}"
    elif attributes["of_type"]:
        head += f" OF {attributes['of_type']}"
    else:
        lines = ",".join("\n    " + clause(column, creation.expected) for column in own)
        head += f" ({lines}\n)" if lines else " ()"
    if attributes["inherits"]:
        head += f" INHERITS ({', '.join(attributes['inherits'])})"
    if attributes["partition_key"]:
        head += f" PARTITION BY {attributes['partition_key']}"
    if attributes["access_method"] and not attributes["partition_key"]:
        head += f" USING {ident(attributes['access_method'])}"
    if attributes["options"]:
        head += f" WITH ({options_clause(attributes['options'])})"
    if attributes["tablespace"]:
        head += f" TABLESPACE {ident(attributes['tablespace'])}"
    steps = [_taking(Step(head), thing, creation.expected, creation.data) if attributes["partition_of"] else Step(head)]
    if not (attributes["partition_of"] or attributes["of_type"]):
        steps += [
            Step(
                f"ALTER TABLE ONLY {dotted(thing.identity)} ALTER COLUMN {ident(column.identity[-1])} "
                f"SET DEFAULT {column.attributes['default']}",
                late=True,
            )
            for column in own
            if default_apart(column, creation.expected)
        ]
    return steps


def _persistence(change: Change) -> list[Step]:
    hazard = "rewrite_table" if change.data.has_rows(change.wanted.identity) else ""
    word = "UNLOGGED" if change.new == "unlogged" else "LOGGED"
    return [Step(f"ALTER {_address(change.wanted)} SET {word}", hazard=hazard)]


def default_partition(partition: Thing, side: Snapshot) -> Optional[Thing]:
    """Find what takes the rows that no partition beside this one takes."""
    for identity in side.tables_by_name().values():
        other = side.things["table", identity]
        if (other.attributes["partition_of"], other.attributes["bound"]) == (
            partition.attributes["partition_of"],
            "DEFAULT",
        ):
            return other
    return None


def _taking(step: Step, partition: Thing, side: Snapshot, data: Data) -> Step:
    """The step that makes a partition, which rows of its own or of the default partition may stand in the way of."""
    default = default_partition(partition, side)
    refused = data.violates(partition.key) or (default is not None and data.violates(default.key))
    return step.violated() if refused else step


def _partition(change: Change) -> list[Step]:
    wanted, found = change.wanted, change.found
    parent = wanted.attributes["partition_of"]
    if change.attribute == "bound" and (wanted.attributes["partition_of"] != found.attributes["partition_of"]):
        return []
    steps = []
    if found.attributes["partition_of"]:
        steps.append(Step(f"ALTER TABLE {found.attributes['partition_of']} DETACH PARTITION {dotted(wanted.identity)}"))
    if parent:
        bound = wanted.attributes["bound"]
        attach = Step(f"ALTER TABLE {parent} ATTACH PARTITION {dotted(wanted.identity)} {bound}")
        steps.append(_taking(attach, wanted, change.expected, change.data))
    return steps


def _inherits(change: Change) -> list[Step]:
    gone = [Step(f"ALTER {_address(change.wanted)} NO INHERIT {name}") for name in change.old if name not in change.new]
    new = [Step(f"ALTER {_address(change.wanted)} INHERIT {name}") for name in change.new if name not in change.old]
    return gone + new


def _of_type(change: Change) -> list[Step]:
    word = f"OF {change.new}" if change.new else "NOT OF"
    return [Step(f"ALTER {_address(change.wanted)} {word}")]


def options(address: Any) -> Any:
    def alter(change: Change) -> list[Step]:
        names = {option.partition("=")[0] for option in change.new}
        gone = [option for option in change.old if option.partition("=")[0] not in names]
        new = [option for option in change.new if option not in change.old]
        steps = []
        if gone:
            steps.append(Step(f"ALTER {address(change.wanted)} RESET ({names_clause(gone)})"))
        if new:
            steps.append(Step(f"ALTER {address(change.wanted)} SET ({options_clause(new)})"))
        return steps

    return alter


def _access_method(change: Change) -> list[Step]:
    if change.new is None or change.old is None:
        # A partitioned table has none, and a table does not become one.
        return []
    hazard = "rewrite_table" if change.data.has_rows(change.wanted.identity) else ""
    return [Step(f"ALTER {_address(change.wanted)} SET ACCESS METHOD {ident(change.new)}", hazard=hazard)]


def _tablespace(change: Change) -> list[Step]:
    hazard = "rewrite_table" if change.data.has_rows(change.wanted.identity) else ""
    return [Step(f"ALTER {_address(change.wanted)} SET TABLESPACE {ident(change.new or 'pg_default')}", hazard=hazard)]


def _row_security(change: Change) -> list[Step]:
    return [Step(f"ALTER {_address(change.wanted)} {'ENABLE' if change.new else 'DISABLE'} ROW LEVEL SECURITY")]


def _force_row_security(change: Change) -> list[Step]:
    return [Step(f"ALTER {_address(change.wanted)} {'FORCE' if change.new else 'NO FORCE'} ROW LEVEL SECURITY")]


def _replica_identity(change: Change) -> list[Step]:
    kind, _space, index = str(change.new).partition(" ")
    what = f"USING INDEX {index}" if kind == "index" else kind.upper()
    return [Step(f"ALTER {_address(change.wanted)} REPLICA IDENTITY {what}", late=True)]


KIND = Kind(
    name="table",
    catalog="pg_class",
    rank=50,
    query=QUERY,
    attributes={
        "persistence": Attribute(_persistence),
        "partition_key": Attribute(deparsed=True),
        "partition_of": Attribute(_partition),
        "bound": Attribute(_partition, deparsed=True),
        "inherits": Attribute(_inherits),
        "of_type": Attribute(_of_type),
        "options": Attribute(options(_address)),
        "access_method": Attribute(_access_method),
        "tablespace": Attribute(_tablespace),
        "row_security": Attribute(_row_security, initial=False),
        "force_row_security": Attribute(_force_row_security, initial=False),
        "replica_identity": Attribute(_replica_identity, initial="default"),
        **common(_address, _address),
    },
    create=_create,
    address=_address,
    parent=schema_of,
    refine=_refine,
    drops_first=False,
    relation=True,
    acl="r",
    remake_hazard=lambda _change: "rewrite_table",
)
