"""Generated identifiers: always ascending, and made of the moment as the service made its own."""

from __future__ import annotations

import os
import re
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from orcodm.identifiers import EPOCH_MS, Identifiers, identifiers

NOW = 1_411_421_158.612


class Clock:
    """A clock that shows the given seconds, one after the other, and then stands still."""

    def __init__(self, *seconds: float) -> None:
        self.seconds = list(seconds)

    def __call__(self) -> float:
        return self.seconds.pop(0) if len(self.seconds) > 1 else self.seconds[0]


def test_the_upper_bits_are_milliseconds_since_2014() -> None:
    number = Identifiers(clock=Clock(NOW), node=0xABC).next()
    assert (number >> 24) + EPOCH_MS == 1411421158612
    assert number >> 12 & 0xFFF == 0xABC
    assert number & 0xFFF == 0


def test_a_key_is_sixteen_lower_case_hex_digits() -> None:
    assert Identifiers(clock=Clock(NOW), node=0x20C).next_key() == "05542838d420c000"
    assert re.fullmatch("[0-9a-f]{16}", identifiers.next_key())


@given(st.lists(st.floats(min_value=1_400_000_000, max_value=2_400_000_000), min_size=1, max_size=20))
def test_identifiers_ascend_whatever_the_clock_does(seconds: list[float]) -> None:
    source = Identifiers(clock=Clock(*seconds))
    made = [source.next() for _ in range(len(seconds) + 5)]
    assert all(one < other for one, other in pairwise(made))


def test_more_than_a_millisecond_holds_runs_ahead_of_the_clock() -> None:
    source = Identifiers(clock=Clock(NOW), node=1)
    made = [source.next() for _ in range(10_000)]
    assert len(set(made)) == 10_000
    assert made == sorted(made)
    assert (made[-1] >> 24) - (made[0] >> 24) == 2


def test_a_clock_before_2014_still_gives_keys() -> None:
    source = Identifiers(clock=Clock(0.0))
    assert [re.fullmatch("[0-9a-f]{16}", source.next_key()) is not None for _ in range(3)] == [True] * 3


def test_threads_share_a_source_without_duplicates() -> None:
    source = Identifiers()
    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(lambda _: [source.next() for _ in range(500)], range(8)))
    assert len({number for some in made for number in some}) == 4000


def test_a_forked_process_draws_another_node() -> None:
    nodes = set()
    for _ in range(3):  # one draw in 4,096 repeats the node
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            os.write(write, str(identifiers.next() >> 12 & 0xFFF).encode())
            os._exit(0)
        os.waitpid(child, 0)
        os.close(write)
        nodes.add(int(os.read(read, 10)))
        os.close(read)
    assert nodes != {identifiers.next() >> 12 & 0xFFF}


def test_ordinals_are_signed_and_ascend_beyond_2031() -> None:
    source = Identifiers(clock=Clock(NOW, 1_950_000_000.0, 1_960_000_000.0), node=1)
    first, *late = (source.next_ordinal() for _ in range(3))
    assert first > 0
    assert all(-(2**63) <= number < 0 for number in late)
    assert late == sorted(late)
    assert [number % 2**64 >> 24 for number in late] == [
        1_950_000_000_000 - EPOCH_MS,
        1_960_000_000_000 - EPOCH_MS,
    ]
