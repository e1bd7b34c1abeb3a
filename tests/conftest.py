"""What all tests share: how many examples a property is tried with, and the cluster.

`pytest` is quick; with `--hypothesis-profile thorough`, as .ci/run has it, properties get all their examples.
Neither has deadlines: how long an example takes says more about the machine's other work.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator

import pytest
from hypothesis import settings

from .cluster.nodes import Cluster, running
from .java import Missing

settings.register_profile("quick", deadline=None, max_examples=50)
settings.register_profile("thorough", deadline=None, max_examples=500)
settings.load_profile("quick")


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
