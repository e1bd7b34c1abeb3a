"""Measuring: every side of a row by turns within one run, and what each costs for one operation.

A cost is in milliseconds or megabytes: less is better. A ratio is a peer's cost over ours: more is better.
"""

from __future__ import annotations

import gc
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from attrs import field, frozen

OURS = "orcodm"


class Missing(Exception):
    """Something that a section or a peer needs is not there; the message says what to do."""


@frozen
class Side:
    """One contestant: `work` does something and says how many operations that was.

    `setup` makes what the work is given, and `teardown` takes it; neither is timed. All three are done
    `repeats` times in a round.
    """

    work: Callable[[Any], int]
    setup: Callable[[], Any] = lambda: None
    teardown: Callable[[Any], None] = lambda given: None
    repeats: int = 1


def doing(do: Callable[..., int], *arguments: Any) -> Side:
    """The side that only calls a function."""
    return Side(lambda _: do(*arguments))


@frozen
class Bar:
    """What was to be reached: our cost at most `times` that of the peer, plus `more` (None: only `more`)."""

    peer: str | None
    times: float
    more: float = 0

    def limits(self, costs: Mapping[str, list[float]]) -> list[float] | None:
        """The most that we may cost, in each round; None where the peer was not measured."""
        if self.peer is None:
            return [self.more for _ in costs[OURS]]
        return (
            [theirs * self.times + self.more for theirs in costs[self.peer]] if self.peer in costs else None
        )

    def __str__(self) -> str:
        if self.peer is None:
            return f"<= {self.more:g}"
        if not self.more:
            return f">= {round(1 / self.times, 2):g}"
        return f"<= {self.times:g} x theirs + {self.more:g}"


def faster(peer: str, times: float) -> Bar:
    """At least so many times as fast as the peer."""
    return Bar(peer, 1 / times)


def within(peer: str, times: float, more: float = 0) -> Bar:
    """At most so many times the peer's cost, and so much more."""
    return Bar(peer, times, more)


def below(cost: float) -> Bar:
    return Bar(None, 0, cost)


@frozen
class Row:
    """One piece of work: the cost of an operation in each round, ours and those of the peers."""

    section: str
    work: str
    size: int | None
    costs: dict[str, list[float]] = field(repr=False)
    bars: tuple[Bar, ...] = ()
    unit: str = "ms"

    @property
    def ours(self) -> float:
        return statistics.median(self.costs[OURS])

    def ratios(self, peer: str) -> list[float]:
        """Of each round: how many times our cost the peer's is."""
        return [theirs / ours for ours, theirs in zip(self.costs[OURS], self.costs[peer], strict=False)]

    def bar(self, peer: str | None) -> Bar | None:
        return next((bar for bar in self.bars if bar.peer == peer), None)

    def met(self, bar: Bar) -> bool | None:
        """Whether we stay below the limit in most rounds: what the machine does differs more between them."""
        limits = bar.limits(self.costs)
        if limits is None:
            return None
        below = [limit - ours for limit, ours in zip(limits, self.costs[OURS], strict=False)]
        return statistics.median(below) >= 0


def by_turns(
    sides: Mapping[str, Side], rounds: int, clock: Callable[[], float] = time.perf_counter
) -> dict[str, list[float]]:
    """Milliseconds of one operation of each side, in each round; every other round goes backwards."""
    costs: dict[str, list[float]] = {name: [] for name in sides}
    freeze()
    for number in range(rounds):
        names = list(sides)
        for name in names if number % 2 == 0 else reversed(names):
            costs[name].append(_milliseconds(sides[name], clock))
    return costs


def freeze() -> None:
    """Take what is there for lasting: looking whether any of a million documents is garbage takes seconds."""
    gc.collect()
    gc.freeze()


def _milliseconds(side: Side, clock: Callable[[], float]) -> float:
    seconds, count = 0.0, 0
    gc.collect()
    for _ in range(side.repeats):
        given = side.setup()
        try:
            began = clock()
            count += side.work(given)
            seconds += clock() - began
        finally:
            side.teardown(given)
    return 1000 * seconds / count


TIMED: Final = """
import sys
from time import perf_counter
{before}
began = perf_counter()
{work}
print(1000 * (perf_counter() - began))
"""
"""A program that prints the milliseconds of some work."""


def in_fresh_processes(programs: Mapping[str, Iterable[str]], rounds: int) -> dict[str, list[float]]:
    """The number that each program (a script and its arguments) prints, in each round.

    As with an installed package, what is imported is compiled already: a round before the first does that.
    """
    costs: dict[str, list[float]] = {name: [] for name in programs}
    with tempfile.TemporaryDirectory() as compiled:
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": compiled, "PYTHONDONTWRITEBYTECODE": ""}
        for number in range(rounds + 1):
            for name, program in programs.items():
                command = [sys.executable, "-c", *program]
                run = subprocess.run(command, env=environment, check=True, text=True, stdout=subprocess.PIPE)
                if number:
                    costs[name].append(float(run.stdout))
    return costs
