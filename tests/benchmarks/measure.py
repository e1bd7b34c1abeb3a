"""Measuring: both sides of a row by turns in one run, and the ratio with its spread."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from typing import Any

from attrs import field, frozen


@frozen
class Side:
    """One contestant: does a piece of work `count` times over; `setup` gives it fresh ground each round."""

    name: str
    work: Callable[[Any], int]
    setup: Callable[[], Any] = lambda: None
    teardown: Callable[[Any], None] = lambda ground: None


@frozen
class Row:
    """Two sides of the same work, in operations per second, and what was to be reached.

    `ratio` is ours over theirs, the median of the rounds; `goal` the least that the ratio should be.
    """

    work: str
    ours: str
    theirs: str
    our_rates: list[float] = field(repr=False)
    their_rates: list[float] = field(repr=False)
    goal: float

    @property
    def ratios(self) -> list[float]:
        return [ours / theirs for ours, theirs in zip(self.our_rates, self.their_rates, strict=True)]

    @property
    def ratio(self) -> float:
        return statistics.median(self.ratios)


def compare(work: str, ours: Side, theirs: Side, goal: float, rounds: int = 3) -> Row:
    """Measure both sides by turns."""
    rates: dict[str, list[float]] = {ours.name: [], theirs.name: []}
    for number in range(rounds):
        for side in (ours, theirs) if number % 2 == 0 else (theirs, ours):
            rates[side.name].append(rate(side))
    return Row(work, ours.name, theirs.name, rates[ours.name], rates[theirs.name], goal)


def rate(side: Side) -> float:
    """Operations per second of one round."""
    ground = side.setup()
    gc.collect()
    try:
        began = time.perf_counter()
        count = side.work(ground)
        return count / (time.perf_counter() - began)
    finally:
        side.teardown(ground)
