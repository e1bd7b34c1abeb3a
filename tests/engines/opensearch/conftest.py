"""What the tests of the OpenSearch engine alone need."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from orcodm.engine import Engine
from orcodm.engines.connect import connect

from ..conftest import on_cluster


@pytest.fixture
def url(cluster_url: str) -> Iterator[str]:
    """The URL of an index that is not there yet."""
    with on_cluster(cluster_url) as url:
        yield url


@pytest.fixture(scope="module")
def shared(cluster_url: str) -> Iterator[Engine]:
    """One engine for the tests of a module, which keep to collections of their own."""
    with on_cluster(cluster_url) as url:
        engine = connect(url)
        yield engine
        engine.close()
