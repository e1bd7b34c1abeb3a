"""`orcodm serve opensearch://...`: servers that keep nothing, so any number of them is one."""

from __future__ import annotations

import signal

import pytest

from orcodm.engines.connect import connect
from orcodm.errors import TransportError
from orcodm.operations import Batch, Delete, Get, IfMatch, Put, Search

from ..engines.asking import history, verify
from ..serving import serving_process
from .counting import counting

pytestmark = pytest.mark.cluster

QUIET = ("--log-level", "warning")


def test_what_one_server_writes_every_other_reads(cluster_url: str, prefix: str) -> None:
    url = f"{cluster_url}/{prefix}?fresh=true"
    with serving_process(url, *QUIET) as (one, _), serving_process(url, *QUIET) as (two, _):
        first, second = connect(one), connect(two)
        for n in range(20):
            ref = first.execute(Put(collection="c", key="k", value={"n": n})).ref
            assert second.execute(Get(collection="c", key="k")).ref == ref
            search = Search(query=f"n:{n}", collection="c", limit=1)
            assert [item.ref for item in second.execute(search).results] == [ref]
            put = Put(collection="c", key="k", value={"n": n + 0.5}, condition=IfMatch(ref))
            second.execute(put)
            assert first.execute(Get(collection="c", key="k")).value == {"n": n + 0.5}
        many = [Put(collection="c", key=f"k{n}", value=n) for n in range(500)]
        assert not first.execute(Batch(many)).failed
        second.execute(Delete(collection="c", key="k"))
        assert first.execute(Search(query="*", collection="c", limit=0)).total == 500
        assert len(verify(history(first, "k", "c"))) == 41
        first.close()
        second.close()


def test_a_server_is_killed_and_nobody_misses_it(cluster_url: str, prefix: str) -> None:
    url = f"{cluster_url}/{prefix}"
    with (
        serving_process(url, *QUIET, "--workers", "2") as (one, _),
        serving_process(url, *QUIET) as (two, second),
    ):
        with counting(url, through=[one, two]) as work:
            work.more(100)
            second.send_signal(signal.SIGKILL)
            work.listen(lambda: len({told.writer for told in work.failed}) == 4)
            work.more(100)
        # The writers of the server that is gone know at most one turn of which nobody can say how it ended.
        assert {told.writer % 2 for told in work.failed} == {1}
        assert {type(told.error) for told in work.failed} == {TransportError}
    work.check()
    with serving_process(url, *QUIET) as (three, _):
        engine = connect(three)
        assert verify(history(engine, "0", "counters"))
        engine.close()
