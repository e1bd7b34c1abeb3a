"""Rows as a table in the terminal, as JSON, and as a plot."""

from __future__ import annotations

import json
import os
import platform
import statistics
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from attrs import asdict

from .measure import OURS, Bar, Missing, Row

EXTRA = "pip install -e '.[benchmark]'"


def check() -> None:
    """Raise `Missing` where the table cannot be printed."""
    if find_spec("rich") is None:
        raise Missing(f"rich is not installed: {EXTRA}")


def show(rows: Sequence[Row], missing: Mapping[str, str]) -> None:
    """Print the table, what grows with the documents, and what was not measured."""
    from rich.console import Console
    from rich.table import Table

    console = Console(width=150)
    table = Table(*HEAD, title=machine())
    for row in rows:
        for line in lines(row):
            table.add_row(*line, style="bold red" if line[-1] == "no" else "")
    console.print(table)
    growing = Table("work", "documents", "costs as much, times")
    for work, sizes, growth in slopes(rows):
        growing.add_row(work, f"{sizes[0]:,} to {sizes[1]:,}", f"{growth:.2f}")
    if growing.row_count:
        console.print(growing)
    for name, reason in missing.items():
        console.print(f"not measured: {name}: {reason}", markup=False, highlight=False)


HEAD = ("work", "documents", "orcodm", "against", "theirs", "times", "spread", "bar", "reached")


def lines(row: Row) -> Iterator[tuple[str, ...]]:
    """One for each peer, and one for a bar that needs none."""
    peers: list[str | None] = [name for name in row.costs if name != OURS]
    if row.bar(None) is not None or not peers:
        peers.append(None)
    for peer in peers:
        bar = row.bar(peer)
        ratios = [] if peer is None else row.ratios(peer)
        yield (
            row.work,
            "" if row.size is None else f"{row.size:,}",
            amount(row.ours, row.unit),
            peer or "",
            "" if peer is None else amount(statistics.median(row.costs[peer]), row.unit),
            f"{statistics.median(ratios):.2f}" if ratios else "",
            f"{min(ratios):.2f} to {max(ratios):.2f}" if ratios else "",
            "" if bar is None else str(bar),
            "" if bar is None else {None: "", True: "yes", False: "no"}[row.met(bar)],
        )


def amount(cost: float, unit: str) -> str:
    return f"{1000 * cost:.3g} us" if unit == "ms" and cost < 0.1 else f"{cost:.3g} {unit}"


def slopes(rows: Sequence[Row]) -> Iterator[tuple[str, tuple[int, int], float]]:
    """Of each piece of work at several sizes: how many times as much it costs at the largest."""
    sized = [(row.work, row.size, row.ours) for row in rows if row.size is not None]
    for work in dict.fromkeys(work for work, _, _ in sized):
        costs = {size: cost for name, size, cost in sized if name == work}
        if len(costs) > 1:
            yield work, (min(costs), max(costs)), costs[max(costs)] / costs[min(costs)]


def middle(rows: Sequence[Row]) -> int | None:
    """The size that stands for all where only one is shown."""
    sizes = sorted({row.size for row in rows if row.size is not None})
    return sizes[len(sizes) // 2] if sizes else None


def machine() -> str:
    """What it ran on; no names or paths."""
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}, {python}"


def write(rows: Sequence[Row], missing: Mapping[str, str], folder: Path) -> None:
    """`results.json`, and `results.png` where matplotlib is installed."""
    folder.mkdir(parents=True, exist_ok=True)
    found = {
        "machine": machine(),
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "rows": [_plain(row) for row in rows],
        "growth": [{"work": work, "sizes": sizes, "times": growth} for work, sizes, growth in slopes(rows)],
        "missing": dict(missing),
    }
    (folder / "results.json").write_text(json.dumps(found, indent=1) + "\n")
    if find_spec("matplotlib") is None:
        print(f"no plot: matplotlib is not installed: {EXTRA}", file=sys.stderr)
    elif rows:
        plot(rows, folder / "results.png")


def _plain(row: Row) -> dict[str, Any]:
    return {
        "section": row.section,
        "work": row.work,
        "size": row.size,
        "unit": row.unit,
        "costs": row.costs,
        "bars": [{**asdict(bar), "reached": row.met(bar)} for bar in row.bars],
    }


def read(folder: Path) -> list[Row]:
    """The rows that `write` wrote there; none where it did not."""
    try:
        found = json.loads((folder / "results.json").read_text())["rows"]
    except FileNotFoundError:
        return []
    for row in found:
        row["bars"] = tuple(Bar(bar["peer"], bar["times"], bar["more"]) for bar in row["bars"])
    return [Row(**row) for row in found]


def added(earlier: Sequence[Row], rows: Sequence[Row]) -> list[Row]:
    """Earlier rows, each replaced where it was measured again, and the others after them."""
    new = {(row.work, row.size): row for row in rows}
    kept = [new.pop((row.work, row.size), row) for row in earlier]
    return sorted([*kept, *new.values()], key=lambda row: row.size or 0)


def plot(rows: Sequence[Row], path: Path) -> None:
    """How many times as fast (or as lean) as each peer, with the spread; and what more documents cost."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    size = middle(rows)
    shown = [row for row in rows if row.size in (None, size)]
    works = [row.work for row in shown]
    peers = list(dict.fromkeys(peer for row in shown for peer in row.costs if peer != OURS))
    figure, (beside, growth) = pyplot.subplots(
        1, 2, figsize=(13, 2 + 0.22 * len(works)), width_ratios=(3, 2), layout="constrained", sharey=True
    )
    for peer in peers:
        ratios = [(works.index(row.work), sorted(row.ratios(peer))) for row in shown if peer in row.costs]
        middles = [statistics.median(each) for _, each in ratios]
        spread = [[m - each[0] for m, (_, each) in zip(middles, ratios, strict=True)],
                  [each[-1] - m for m, (_, each) in zip(middles, ratios, strict=True)]]  # fmt: skip
        beside.errorbar(middles, [y for y, _ in ratios], xerr=spread, fmt="o", capsize=2, label=peer)
    beside.set(xscale="log", xlabel="theirs / orcodm: right of the line orcodm is faster or leaner")
    beside.set_yticks(range(len(works)), works)
    beside.invert_yaxis()
    beside.set_title("Beside the others" + ("" if size is None else f", {size:,} documents"))
    first = {row.work: row.ours for row in sorted(rows, key=lambda row: -(row.size or 0))}
    for larger in sorted({row.size for row in rows if row.size is not None})[1:]:
        grown = [row for row in rows if row.size == larger and row.work in works]
        growth.plot(
            [row.ours / first[row.work] for row in grown],
            [works.index(row.work) for row in grown],
            "o",
            label=f"{larger:,} documents",
        )
    growth.set(xscale="log", xlabel="cost, in times of that with the fewest")
    growth.set_title("What more documents cost")
    for axes in (beside, growth):
        axes.axvline(1, color="black", linewidth=0.8)
        axes.grid(alpha=0.3)
        if axes.has_data():
            axes.legend(fontsize=7)
    figure.suptitle(machine())
    figure.savefig(path, dpi=80)
    pyplot.close(figure)
