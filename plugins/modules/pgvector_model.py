#!/usr/bin/python

# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: pgvector_model
short_description: Bring a pgvector collection to another embedding model while it is searched
version_added: "1.0.0"
description:
  - Vectors of the new model grow in a column of their own (C(<column>_next)) beside those that serve searches. When every row
    has one and an index serves them, both columns change their names in one transaction. The old vectors are kept as
    C(<column>_previous) until they are dropped by that name.
  - Each state is one step, and each step goes on from what it finds, so that a run that was killed is followed by another.
    The playbook C(change_embedding_model.yml) takes them in their order.
  - Both columns have fixed dimensions, so a vector of the other model is refused by the server, before the switch and after it.
    Of two models with the same dimensions (RV(refuses_old)) it cannot know whose vector it is, so that a service has to end
    its searches and writes with the old one before the switch, and begin them with the new one after it.
  - The column is shared by all collections of its table, so that they move together (O(beside)).
extends_documentation_fragment:
  - ai_micro.postgres.postgres
attributes:
  check_mode:
    description: Can run in check mode and return what would be done without changing anything.
    support: full
  diff_mode:
    description: Returns what differs.
    support: full
  idempotent:
    description: A second run changes nothing.
    support: full
options:
  login_db:
    description:
      - Database of the collection.
      - The environment variable E(PGDATABASE) is used when the option is not given.
    type: str
    default: postgres
    aliases: [db]
  name:
    description: Name of the collection. Without a collection table it only names what is reported.
    type: str
    required: true
  beside:
    description: Other collections with rows in the same table, which come to the same model by the same switch.
    type: list
    elements: str
    default: []
  table:
    description: Table that holds the embeddings, as M(ai_micro.postgres.pgvector_collection) takes it.
    type: str
    default: langchain_pg_embedding
  collection_table:
    description:
      - Table with one row per collection, as M(ai_micro.postgres.pgvector_collection) takes it.
      - Without one, no model is recorded, and only other dimensions tell one model from another.
    type: str
  column:
    description: Column that searches use. Left out, the only one of type C(vector) or C(halfvec), or the one named C(embedding).
    type: str
  model:
    description: Embedding model to come to.
    type: str
    required: true
  dimensions:
    description: Dimensions of its vectors.
    type: int
    required: true
  type:
    description: Type of the new column. Left out, that of the old one. V(halfvec) can be indexed up to 4000 dimensions, V(vector) up to 2000.
    type: str
    choices: [vector, halfvec]
  state:
    description:
      - V(verified) says how far the change is.
      - V(prepared) adds the column for the new vectors, one that is told their texts (RV(text_column)), and triggers. An C(UPDATE) that
        sets a new vector has to set the text that it was made of too, as it was read, an empty one for C(NULL). Where the row has
        another text by then, the vector is not taken, so that the row stays one to be filled. A later change of text or old vector
        empties it as well.
      - Texts are the columns named C(document), C(content), C(page_content), C(text), C(body) or C(chunk), one after the other in
        this order where there are several. Of a table without one, the old vector as text is told.
      - V(filled) runs O(command), if one is given, and otherwise only looks. Rows that have a vector of the old model are counted.
        It is run again as long as it leaves rows that were there when it began; what was written meanwhile may be left.
      - V(switched) exchanges the names of the columns and of their indexes, and sets C(model) and C(dimensions) of the
        collections' C(cmetadata). It refuses as long as a row lacks a vector, the new column lacks an index that the old
        one has, or a view or a collection that is not named uses the old one. Nothing is read while searches wait for it. With O(command), rows that
        came since it ran are filled first, and those that come in the moment before the switch by further runs.
      - V(dropped) drops the column that O(drop) names.
    type: str
    choices: [verified, prepared, filled, switched, dropped]
    default: verified
  command:
    description:
      - Program and arguments, run on the target, that set the new column in every row where it is null and end then.
      - In its environment are C(PGHOST), C(PGPORT), C(PGDATABASE) and C(PGUSER) of this connection, no password, and C(EMBEDDING_TABLE),
        C(EMBEDDING_COLUMN), C(EMBEDDING_TEXT_COLUMN), C(EMBEDDING_COLLECTION), C(EMBEDDING_MODEL) and C(EMBEDDING_DIMENSIONS).
        The table comes with its schema, and names of tables and columns as SQL writes them, in double quotes where they need any.
      - It should commit as it goes, so that a later run goes on from there.
      - It ends with the module, however that ends, with all that it started.
      - Rows that a service writes on and on with the old model alone can put the switch off, as it needs a moment in which each row
        has a vector. A service that writes the vectors of both models avoids that.
    type: list
    elements: str
  drop:
    description: With O(state=dropped), the column to drop. C(<column>_previous) ends a change, C(<column>_next) gives one up.
    type: str
notes:
  - Preparing and switching take the table's lock for a moment. They wait for it a second at a time, so that searches do not queue
    for longer behind a long transaction.
  - While O(command) runs, the module writes how far it is to the target's log each 30 seconds, and O(state=verified) of another
    run says it.
seealso:
  - module: ai_micro.postgres.pgvector_collection
    description: Builds the index over the new column, and measures its recall.
author:
  - ai-micro-service team (@ai-micro-service)
"""

EXAMPLES = r"""
- name: Let the vectors of another model grow beside the old ones
  ai_micro.postgres.pgvector_model:
    login_unix_socket: /var/run/postgresql
    login_db: admindb
    name: admin_documents
    model: mxbai-embed-large
    dimensions: 1024
    state: prepared

- name: See how far the application has come
  ai_micro.postgres.pgvector_model:
    login_unix_socket: /var/run/postgresql
    login_db: admindb
    name: admin_documents
    model: mxbai-embed-large
    dimensions: 1024
  register: change

- name: Give the change up
  ai_micro.postgres.pgvector_model:
    login_unix_socket: /var/run/postgresql
    login_db: admindb
    name: admin_documents
    model: mxbai-embed-large
    dimensions: 1024
    drop: embedding_next
    state: dropped
"""

RETURN = r"""
changed:
  description: Whether anything was changed, or would be in check mode.
  returned: always
  type: bool
  sample: true
stage:
  description:
    - Where the change stands. V(unchanged) before it begins; V(filling) while rows lack a vector of the new model; V(filled) when
      none does; V(switched) when searches use the new model and the old vectors are kept; V(done) when they are not.
  returned: always
  type: str
  sample: filling
table:
  description: The table with its schema.
  returned: always
  type: str
  sample: public.langchain_pg_embedding
column:
  description: Column that searches use.
  returned: always
  type: str
  sample: embedding
next_column:
  description: Column of the new model's vectors, if there is one.
  returned: always
  type: str
  sample: embedding_next
text_column:
  description:
    - Column that is told the text of a vector that is written to RV(next_column), if there is one. It is compared where a row is
      updated, and not kept; what a new row says of its own text stays until the row is updated, or until the switch.
  returned: always
  type: str
  sample: embedding_next_of
previous_column:
  description: Column of the vectors that a finished change keeps, if there is one.
  returned: always
  type: str
  sample: null
rows:
  description: Rows that have a vector in RV(column).
  returned: always
  type: int
  sample: 100000
filled:
  description: Of these, rows that have one in RV(next_column).
  returned: always
  type: int
  sample: 61234
remaining:
  description: Rows that still lack one.
  returned: always
  type: int
  sample: 38766
share:
  description: Share of the rows that have one; null where there is nothing to fill.
  returned: always
  type: float
  sample: 0.6123
refuses_old:
  description:
    - Whether the server refuses vectors of the old model after the switch, as it does where their dimensions differ.
    - Null where the change is done.
  returned: always
  type: bool
  sample: true
queries:
  description: Statements that were executed, or would be, in their order.
  returned: always
  type: list
  elements: str
  sample: ['ALTER TABLE "public"."langchain_pg_embedding" ADD COLUMN "embedding_next" "public"."vector"(1024)']
diff:
  description: What RV(queries) take away and what they add, a line each.
  returned: always
  type: dict
  sample:
    before: ""
    after: "public.langchain_pg_embedding.embedding_next: vector(1024) for mxbai-embed-large\n"
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.ai_micro.postgres.plugins.module_utils._model_change import ChangeError
from ansible_collections.ai_micro.postgres.plugins.module_utils._model_change_run import (
    check_options,
    model_options,
    run,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._session import argument_spec


def main() -> None:
    module = AnsibleModule(
        argument_spec={**argument_spec(login_db=True), **model_options()},
        required_if=[("state", "dropped", ["drop"])],
        supports_check_mode=True,
    )
    state = module.params["state"]
    try:
        check_options(module.params)
    except ChangeError as error:
        module.fail_json(msg=str(error))
    module.exit_json(**run(module, state, writing=state != "verified" and not module.check_mode))


if __name__ == "__main__":
    main()
