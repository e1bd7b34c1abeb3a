"""Nodes that are killed, paused or cut off while eight processes count: nothing acknowledged is lost.

As long as a majority is there, the writers do not even notice. Where there is none, every operation ends with
an error within the time that the engine states, and goes on when the cluster does.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from orcodm import transfer
from orcodm.engines.connect import connect
from orcodm.errors import DatabaseBusy, OrcodmError, TransportError
from orcodm.operations import Get, IfAbsent, Put, Search
from orcodm.transfer import Flaw

from .counting import Told, counting
from .nodes import Cluster

pytestmark = pytest.mark.cluster

SECONDS = 9
"""How long the engines here wait without an answer; when one comes, they wait anew."""

SOME = 60
"""How many increments are seen before and after each fault."""


@pytest.fixture
def whole(cluster: Cluster) -> Iterator[Cluster]:
    """A cluster that is whole before, and mended after it."""
    cluster.mend()
    yield cluster
    cluster.mend()


def is_sound(url: str) -> None:
    engine = connect(url.partition("?")[0])
    assert [each for each in transfer.verify(engine) if isinstance(each, Flaw)] == []
    engine.close()


def test_nodes_are_killed_in_the_middle_of_writers(whole: Cluster, prefix: str) -> None:
    url = f"{whole.url}/{prefix}"
    with counting(url) as work:
        for node in range(3):
            work.more(SOME)
            whole.kill(node)
            work.more(SOME)
            whole.start(node)
            whole.wait("green")
    assert work.failed == []
    work.check()
    is_sound(url)


def test_who_begins_while_a_node_is_dead_does_not_notice(whole: Cluster, prefix: str) -> None:
    whole.kill(0)
    for number in range(6):  # the first request of an engine goes to any node
        with closing(connect(f"{whole.url}/{prefix}")) as engine:
            put = Put(
                collection="c", key=str(number), value={f"field {number}": number}, condition=IfAbsent()
            )
            engine.execute(put)
            found = engine.execute(Search(query=f"value.field\\ {number}:{number}", collection="c"))
            assert [item.key for item in found.results] == [str(number)]


def test_nodes_are_paused_in_the_middle_of_writers(whole: Cluster, prefix: str) -> None:
    url = f"{whole.url}/{prefix}"
    with counting(url) as work:
        for node in range(3):
            work.more(SOME)
            whole.pause(node)
            work.more(SOME)
            whole.resume(node)  # and it believes that no time has passed
            work.more(SOME)
            whole.wait("green")
    assert work.failed == []
    work.check()
    is_sound(url)


def test_nodes_are_cut_off_in_the_middle_of_writers(whole: Cluster, prefix: str) -> None:
    url = f"{whole.url}/{prefix}"
    with counting(url) as work:
        for node in range(3):
            work.more(SOME)
            whole.partition([node], [other for other in range(3) if other != node])
            work.more(SOME)
            whole.heal()
            work.more(SOME)
            whole.wait("green")
    work.check()
    is_sound(url)


def is_clear(told: Told) -> bool:
    return isinstance(told.error, TransportError | DatabaseBusy) and told.seconds < 2 * SECONDS + 3


def test_a_full_partition_ends_in_clear_errors_and_heals_by_itself(whole: Cluster, prefix: str) -> None:
    url = f"{whole.url}/{prefix}?timeout={SECONDS}"
    with counting(url) as work:
        work.more(SOME)
        whole.partition([0], [1], [2])
        work.listen(lambda: {told.writer for told in work.failed} == set(range(8)))
        whole.heal()
        work.more(SOME)
    assert [(told.seconds, told.error) for told in work.failed if not is_clear(told)] == []
    whole.wait("green")
    work.check()
    is_sound(url)


def test_where_no_node_answers_every_operation_says_so(whole: Cluster, prefix: str) -> None:
    patient, engine = (connect(f"{whole.url}/{prefix}{more}") for more in ("", f"?timeout={SECONDS}"))
    patient.execute(Put(collection="c", key="a", value=1))
    patient.close()
    assert engine.execute(Get(collection="c", key="a")).value == 1
    for fault, remedy in ((whole.pause, whole.resume), (whole.kill, whole.start)):
        fault(0, 1, 2)
        for operation in (
            Get(collection="c", key="a"),
            Put(collection="c", key="b", value=1, condition=IfAbsent()),
            Search(query="*", collection="c"),
        ):
            began = time.monotonic()
            with pytest.raises(OrcodmError) as caught:
                engine.execute(operation)
            assert isinstance(caught.value, TransportError | DatabaseBusy)
            assert time.monotonic() - began < SECONDS + 3
        remedy(0, 1, 2)
        whole.wait("green")
        assert engine.execute(Get(collection="c", key="a")).value == 1
        engine.execute(Put(collection="c", key="b", value=2))
        assert len(engine.execute(Search(query="*", collection="c")).results) == 2
    engine.close()
