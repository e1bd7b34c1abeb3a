"""What all tests share: the cluster."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator

import pytest

from .cluster.nodes import Cluster, running
from .java import Missing


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Three OpenSearch nodes, started when first asked for. Whoever breaks them calls `mend` in the end."""
    try:
        with running(tmp_path_factory.mktemp("cluster")) as cluster:
            yield cluster
    except Missing as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="session")
def cluster_url(request: pytest.FixtureRequest) -> str:
    """The engine URL of a cluster that the test leaves whole: one that stands ($ORCODM_CLUSTER), or ours."""
    url: str = os.environ.get("ORCODM_CLUSTER") or request.getfixturevalue("cluster").url
    return url


@pytest.fixture
def prefix() -> str:
    """A prefix that no other test uses on the same cluster."""
    return f"t{secrets.token_hex(6)}"
