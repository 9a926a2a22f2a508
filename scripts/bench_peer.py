"""Compare two databases as a package of PyPI does, and print the seconds that it took without its start.

    bench_peer.py migra|results URL URL

Runs in an environment of its own, which holds both packages.
"""

from __future__ import annotations

import sys
import time


def with_migra(one: str, other: str) -> str:
    """Let migra write the statements that turn one database's schema into the other's."""
    from migra import Migration
    from sqlbag import S

    with S(one) as actual, S(other) as wanted:
        migration = Migration(actual, wanted)
        migration.set_safety(False)
        migration.add_all_changes(privileges=True)
        return str(migration.sql)


def with_results(one: str, other: str) -> str:
    """Let results do the same."""
    import results

    return str(results.db(one).schemadiff_as_sql(results.db(other)))


def main() -> None:
    """Run the command line; the first comparison, which imports, is not counted."""
    compare = {"migra": with_migra, "results": with_results}[sys.argv[1]]
    one, other, trivial = sys.argv[2:5]
    compare(trivial, trivial)
    begun = time.perf_counter()
    statements = compare(one, other).strip()
    seconds = time.perf_counter() - begun
    if statements:
        sys.exit(f"{sys.argv[1]} sees a difference where there is none: {statements[:500]}")
    print(seconds)


if __name__ == "__main__":
    main()
