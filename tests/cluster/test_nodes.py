"""The cluster itself does what its faults promise, so that tests built on them test something."""

from __future__ import annotations

import time
from collections.abc import Iterator

import httpx
import pytest

from .nodes import Cluster

pytestmark = pytest.mark.cluster

ELECTION = 90.0
"""Seconds after which nobody waits for another primary, also where the machine is busy."""


@pytest.fixture
def index(cluster: Cluster) -> Iterator[str]:
    """An index of which each node has a copy."""
    settings = {"number_of_shards": 1, "number_of_replicas": 2}
    httpx.put(f"{cluster.urls[0]}/trial", json={"settings": settings}, timeout=60).raise_for_status()
    cluster.wait("green")
    yield "trial"
    cluster.mend()
    httpx.delete(f"{cluster.urls[0]}/trial", timeout=60).raise_for_status()


def put(cluster: Cluster, node: int, value: int, timeout: float = ELECTION) -> None:
    url = f"{cluster.urls[node]}/trial/_doc/a"
    httpx.put(url, json={"n": value}, timeout=timeout).raise_for_status()


def get(cluster: Cluster, node: int) -> int:
    answer = httpx.get(f"{cluster.urls[node]}/trial/_doc/a", timeout=ELECTION).raise_for_status()
    value: int = answer.json()["_source"]["n"]
    return value


def test_a_killed_node_comes_back_with_its_data(cluster: Cluster, index: str) -> None:
    put(cluster, 0, 1)
    cluster.kill(0, 1, 2)
    with pytest.raises(httpx.TransportError):
        get(cluster, 0)
    cluster.start()
    assert [get(cluster, node) for node in range(3)] == [1, 1, 1]


def test_a_node_that_is_cut_off_writes_nothing_until_it_is_healed(cluster: Cluster, index: str) -> None:
    put(cluster, 0, 1)
    cluster.partition([0], [1, 2])
    with pytest.raises(httpx.ReadTimeout):
        put(cluster, 0, 2, timeout=3)
    put(cluster, 1, 3)  # the majority elects another primary, if that was on the first node
    assert (get(cluster, 1), get(cluster, 2)) == (3, 3)
    cluster.heal()
    cluster.wait("green")


def test_nobody_writes_where_every_node_is_alone(cluster: Cluster, index: str) -> None:
    put(cluster, 0, 1)
    cluster.partition([0], [1], [2])
    for node in range(3):
        with pytest.raises(httpx.ReadTimeout):
            put(cluster, node, 2, timeout=2)
    cluster.heal()
    cluster.wait("green")
    put(cluster, 0, 3)
    assert get(cluster, 1) == 3


def test_a_paused_node_answers_nobody_until_it_is_resumed(cluster: Cluster, index: str) -> None:
    cluster.pause(1)
    began = time.monotonic()
    with pytest.raises(httpx.ReadTimeout):
        httpx.get(cluster.urls[1], timeout=1)
    cluster.resume(1)
    assert httpx.get(cluster.urls[1], timeout=30).status_code == 200
    assert time.monotonic() - began < 30
