#!/usr/bin/python

# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: pgvector_collection
short_description: Have a pgvector collection in order, and prove that its search is right
version_added: "1.0.0"
description:
  - Establishes whether similarity search over a collection of embeddings is right and fast. It compares extension, declaration,
    rows and index with what is declared, asks the planner what it does with the client's query, and measures recall
    against exact answers for a repeatable sample of stored vectors.
  - With O(state=present) it mends what can be mended without touching an embedding. The extension is installed or updated, the
    collection's row and what its C(cmetadata) does not say yet are written, indexes are built C(CONCURRENTLY) before what they
    replace is dropped, stale statistics are renewed, and O(role) gets the settings that search needs.
  - What only the owner of the data can decide is reported and left alone. Rows that no search finds, a column of other
    dimensions and a model that contradicts the declaration are such.
  - A collection is a row of LangChain's C(langchain_pg_collection) and the rows of a table that name it, or any table
    with a column of type C(vector) or C(halfvec).
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
  table:
    description:
      - Table that holds the embeddings, as it is or as SQL quotes it, with or without its schema. A bare name is
        met in the schema C(public) first.
    type: str
    default: langchain_pg_embedding
  collection_table:
    description:
      - Table with one row per collection (C(uuid), C(name), C(cmetadata)), which rows of O(table) name in C(collection_id).
      - Left out, C(langchain_pg_collection) where O(table) has a column C(collection_id), otherwise none.
      - An empty string means that all of O(table) is the collection.
    type: str
  column:
    description:
      - Column that holds the vectors. Left out, the only column of type C(vector) or C(halfvec), or the one
        named C(embedding) among several. The columns that M(ai_micro.postgres.pgvector_model) keeps beside it do not count.
    type: str
  model:
    description: Embedding model, as C(cmetadata) has to say it. Left out, it is not compared.
    type: str
  dimensions:
    description: Dimensions of the model's vectors. Left out, those of the column's type, which C(cmetadata) has to say then.
    type: int
  distance:
    description: Distance by which clients search.
    type: str
    choices: [cosine, l2, inner_product]
    default: cosine
  index:
    description: The index to have.
    type: dict
    suboptions:
      method:
        description:
          - Method of the index. V(none) asks for none; then no index is judged, and one that is there is left alone.
        type: str
        choices: [hnsw, ivfflat, none]
        default: hnsw
      m:
        description: Links of each row in an HNSW index.
        type: int
        default: 16
      ef_construction:
        description: Candidates that the build of an HNSW index looks at for each row; at least twice O(index.m).
        type: int
        default: 64
      lists:
        description: Lists of an IVFFlat index.
        type: int
        default: 100
      type:
        description:
          - Type that the index holds. Left out, the column's. V(halfvec) over a column of type C(vector) makes an
            index over the cast, which only queries that write the cast use; LangChain's clients do not, so it is refused for
            a table whose rows belong to collections.
          - An index of type V(vector) takes up to 2000 dimensions, one of type V(halfvec) 4000.
        type: str
        choices: [vector, halfvec]
  recall:
    description: How the index is tried.
    type: dict
    suboptions:
      k:
        description: Rows that a search asks for.
        type: int
        default: 10
      sample:
        description:
          - Stored vectors that are searched for; the same ones each time, while the rows are the same. V(0) tries neither
            planner nor recall. Of more than O(thresholds.scan_rows) rows fewer are searched for, but not fewer than 20.
        type: int
        default: 50
      minimum:
        description: Share of the exact answer that the index has to find, ties counted as found.
        type: float
        default: 0.95
      ef_search:
        description:
          - Width of the search (C(hnsw.ef_search), or C(ivfflat.probes)) that is measured with, and that sessions of O(role)
            have to have. Left out, the one that O(role) has, or else the server.
        type: int
  role:
    description:
      - Role that the service connects as. Its settings hold while planner and recall are tried, and it has to have
        O(recall.ef_search) and an iterative scan (C(hnsw.iterative_scan)) and, where several collections share the table,
        a plan for the one that is searched (C(plan_cache_mode=force_custom_plan)), because a C(SET) dies with a pooled
        connection. They are set for the role in this database.
      - Left out, no role is judged.
    type: str
  state:
    description:
      - V(verified) looks, and changes nothing.
      - V(present) mends what can be mended without touching an embedding.
      - V(absent) deletes the collection's row and the rows of O(table) that name it, in one transaction. Other collections,
        the table, its indexes and the extension stay. Without a collection table no row is deleted at all. Only the index that
        V(present) makes under the name C(<table>_<column>_<distance>_<method>_idx) is dropped.
    type: str
    choices: [verified, present, absent]
    default: verified
  progress:
    description:
      - Seconds between two lines that say how far the build of an index is; V(0) for none.
    type: int
    default: 30
  thresholds:
    description: How much of what is too much.
    type: dict
    suboptions:
      null_embeddings:
        description: Rows of the collection that may have no embedding.
        type: int
        default: 0
      zero_norm:
        description: Rows that may have a zero vector, which has no cosine distance.
        type: int
        default: 0
      wrong_dimensions:
        description: Rows that may have other dimensions than declared.
        type: int
        default: 0
      orphans:
        description: Rows of the table that may name a collection or a document that is not there.
        type: int
        default: 0
      duplicates:
        description: Rows that may repeat a C(custom_id) of the collection.
        type: int
        default: 0
      stale_fraction:
        description: Share of the rows that may have changed since the last ANALYZE; 50 rows may in any case.
        type: float
        default: 0.2
      exact_rows:
        description: Rows from which on a collection has to be answered by its index. For fewer, the planner may prefer to read all.
        type: int
        default: 10000
      scan_rows:
        description:
          - Rows of a table up to which all are read. Of a bigger one about as many are read, and counts are estimated; how many it
            has is judged by its size. Of a collection that has no more rows than this, all are read where C(collection_id) has an index.
        type: int
        default: 200000
      build_memory_mb:
        description:
          - Most memory that the build of an index may take, in megabytes. Left out, half of C(effective_cache_size), or
            C(maintenance_work_mem) where that is more.
        type: int
      shm_size_mb:
        description:
          - Size of the server's C(/dev/shm), in megabytes, which a parallel build needs. Left out, it is looked up
            where the connection is a Unix-domain socket of this machine (a container's too, when the module runs as root),
            and otherwise not judged.
        type: int
notes:
  - While M(ai_micro.postgres.pgvector_model) brings the collection to O(model) and O(dimensions), the column that serves searches until the switch
    is judged by the dimensions that it has, and the finding V(model_change) says how far the change is.
  - Building, updating the extension and O(role) need a superuser, or the owner of the table for the index alone.
  - The build of an index sets C(maintenance_work_mem) for its own session. It is serial where pgvector's parallel build is
    flawed (0.6.0 to 0.8.1), and where C(/dev/shm) is too small for it.
  - A build that takes long is watched by an action plugin, which says each O(progress) seconds how far it is. The module itself
    writes a line to the target's log each 30 seconds, and O(state=verified) of another run reports it as V(index_building), an
    error as long as no other index serves searches. A build that was interrupted leaves an invalid index; the next run drops it and builds again.
author:
  - ai-micro-service team (@ai-micro-service)
"""

EXAMPLES = r"""
- name: Have the default collection in order
  ai_micro.postgres.pgvector_collection:
    login_unix_socket: /var/run/postgresql
    login_db: admindb
    name: admin_documents
    model: nomic-embed-text
    dimensions: 768
    role: admin_api_service
    recall:
      ef_search: 100
    state: present

- name: See whether its search is right, without changing anything
  ai_micro.postgres.pgvector_collection:
    login_unix_socket: /var/run/postgresql
    login_db: admindb
    name: admin_documents
    model: nomic-embed-text
    dimensions: 768
  register: collection
  failed_when: not collection.in_order

- name: Index a table of one's own, with 3072 dimensions
  ai_micro.postgres.pgvector_collection:
    login_db: shop
    name: products
    table: catalog.products
    column: embedding
    dimensions: 3072
    distance: inner_product
    index:
      type: halfvec
      m: 24
      ef_construction: 96
    state: present
"""

RETURN = r"""
changed:
  description: Whether anything was changed, or would be in check mode.
  returned: always
  type: bool
  sample: true
in_order:
  description:
    - Whether no finding is an error, after what was changed; in check mode, before it.
    - With O(state=absent), whether the collection is gone.
  returned: always
  type: bool
  sample: true
queries:
  description: Statements that were executed, or would be, in their order.
  returned: always
  type: list
  elements: str
  sample:
    - SET maintenance_work_mem = '410MB'
    - >-
      CREATE INDEX CONCURRENTLY "langchain_pg_embedding_embedding_cosine_hnsw_idx" ON "public"."langchain_pg_embedding"
      USING hnsw ("embedding" "public"."vector_cosine_ops") WITH (m = 16, ef_construction = 64)
diff:
  description: What RV(queries) take away and what they add, a line each.
  returned: always
  type: dict
  sample:
    before: ""
    after: "index langchain_pg_embedding_embedding_cosine_hnsw_idx: hnsw vector_cosine_ops (m = 16, ef_construction = 64)\n"
findings:
  description: What is not in order, and what is worth knowing.
  returned: always
  type: list
  elements: dict
  sample:
    - check: zero_norm
      level: error
      message: "3 rows have a zero vector, which has no cosine distance: no search finds them."
      remedy: embed their text again, or delete them
  contains:
    check:
      description:
        - What was checked. One of V(extension), V(extension_version), V(extension_flaw), V(table), V(column), V(collection_table),
          V(collection), V(cmetadata), V(model), V(distance), V(cmetadata_dimensions), V(model_change), V(dimensions), V(dimension_limit), V(index_type),
          V(null_embeddings), V(zero_norm), V(wrong_dimensions), V(orphans), V(duplicates), V(index), V(index_valid),
          V(index_definition), V(index_duplicate), V(index_building), V(index_cast), V(collection_id_index), V(statistics),
          V(planner), V(recall), V(rows_returned), V(filtered_rows), V(build_memory), V(shm_size), V(role), V(role_settings) and V(client).
      type: str
    level:
      description:
        - V(error) makes answers wrong, slow or impossible. V(warning) will come to that. V(info) is no fault.
      type: str
    message:
      description: What was found.
      type: str
    remedy:
      description: What to do.
      type: str
stats:
  description: Figures; null where there was nothing to count or measure.
  returned: always
  type: dict
  sample:
    rows: 100000
    null_embeddings: 0
    zero_norm: 0
    wrong_dimensions: 0
    orphans: 0
    duplicates: 0
    scanned_share: 1.0
    index: langchain_pg_embedding_embedding_cosine_hnsw_idx
    index_valid: true
    index_size: 409600000
    planner_uses_index: true
    recall_at_k: 0.984
    rows_returned: 10
    extension_version: 0.8.0
    build_memory_needed: 385700000
    shm_size: 536870912
    clients:
      langchain_postgres.PGVector: {works: true, reasons: []}
      langchain_postgres.PGVectorStore: {works: true, reasons: []}
      langchain_community.PGVector: {works: true, reasons: []}
  contains:
    rows:
      description: Rows of the collection.
      type: int
    null_embeddings:
      description: Those without an embedding.
      type: int
    zero_norm:
      description: Those with a zero vector; null for distances that zero vectors have.
      type: int
    wrong_dimensions:
      description: Those with other dimensions than declared.
      type: int
    orphans:
      description: Rows of the table that name a collection or a document that is not there, or no collection.
      type: int
    duplicates:
      description: Rows that repeat a C(custom_id) of the collection.
      type: int
    scanned_share:
      description: Share of the table that was read for these counts; of a small collection's own rows, all were.
      type: float
    index:
      description: The index that serves the collection, or the one that comes nearest to it.
      type: str
    index_valid:
      description: Whether it can be used.
      type: bool
    index_size:
      description: Its size in bytes.
      type: int
    planner_uses_index:
      description: Whether the planner answers the client's query by it.
      type: bool
    recall_at_k:
      description:
        - Share of the exact answer that was found. Where the planner prefers the exact answer, the index was asked over the
          whole table.
      type: float
    rows_returned:
      description: Rows that the poorest of the searches returned.
      type: int
    extension_version:
      description: Version of the extension in the database.
      type: str
    build_memory_needed:
      description: Bytes that a build of the index takes in memory.
      type: int
    shm_size:
      description: Bytes of the server's C(/dev/shm), where known.
      type: int
    clients:
      description: Which of LangChain's clients can work on the table, and why not, judged from the catalog.
      type: dict
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.ai_micro.postgres.plugins.module_utils._collection_declare import (
    DeclarationError,
    module_options,
    read_declaration,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._collection_run import run
from ansible_collections.ai_micro.postgres.plugins.module_utils._session import argument_spec


def main() -> None:
    module = AnsibleModule(argument_spec={**argument_spec(login_db=True), **module_options()}, supports_check_mode=True)
    state = module.params["state"]
    try:
        declared = read_declaration(module.params)
    except DeclarationError as error:
        module.fail_json(msg=str(error))
    module.exit_json(**run(module, declared, state, writing=state != "verified" and not module.check_mode))


if __name__ == "__main__":
    main()
