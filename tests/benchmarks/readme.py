"""The README's table: a line for each piece of work, every peer beside it, and how it grows."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from . import report
from .measure import OURS, Bar, Row

BEGIN: Final = "<!-- measured: python -m tests.benchmarks --readme -->\n"
END: Final = "<!-- /measured -->\n"


def update(path: Path, rows: Sequence[Row]) -> None:
    """Put the table between the README's two markers."""
    before, begin, rest = path.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{path} has no markers {BEGIN.strip()} and {END.strip()}")
    path.write_text(f"{before}{begin}\n{table(rows)}\n{end}{after}", encoding="utf-8")


def table(rows: Sequence[Row]) -> str:
    """The work at the middle size; `times` is the peer's cost over ours, from round to round."""
    middle = report.middle(rows)
    growth = {work: times for work, _, times in report.slopes(rows)}
    sizes = sorted({row.size for row in rows if row.size is not None})
    lines = [
        f"{report.machine()}; {'' if middle is None else f'{middle:,} documents'}",
        "",
        f"| work | orcodm | the peer's cost over ours: median (from to) | asked for | {_span(sizes)} |",
        "|---|---|---|---|---|",
    ]
    for row in rows:
        if row.size in (None, middle):
            peers = "<br>".join(_peer(row, name) for name in row.costs if name != OURS)
            bars = "<br>".join(_bar(row, bar) for bar in row.bars)
            grown = f"{growth[row.work]:.1f}" if row.work in growth else ""
            amount = report.amount(row.ours, row.unit)
            lines.append(f"| {row.work} | {amount} | {peers} | {bars} | {grown} |")
    return "\n".join(lines) + "\n"


def _span(sizes: Sequence[int]) -> str:
    return f"{sizes[-1]:,} over {sizes[0]:,}" if len(sizes) > 1 else "growth"


def _peer(row: Row, peer: str) -> str:
    ratios = row.ratios(peer)
    spread = f" ({min(ratios):.2f} to {max(ratios):.2f})" if len(ratios) > 1 else ""
    return f"{peer} {statistics.median(ratios):.2f}{spread}"


def _bar(row: Row, bar: Bar) -> str:
    asked = f"{bar.peer or ''} {bar} {row.unit if bar.more else ''}".strip()
    return asked if row.met(bar) else f"**{asked}: missed**"
