"""Two engines on one cluster beside a model of dictionaries: any operations have the same outcomes.

Both ask for everything that was committed, so that each sees what the other wrote.
"""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from orcodm.engine import Engine
from orcodm.engines.opensearch.engine import OpenSearchEngine

from ..conftest import on_cluster
from ..test_state_machine import Engines, run


class OnCluster(Engines):
    """Two engines on one index, another one for each run."""

    cluster = ""

    def __init__(self) -> None:
        self.stack = ExitStack()
        self.url = self.stack.enter_context(on_cluster(self.cluster))
        super().__init__()
        self.engines.append(self.open())
        self.model.atomic = False

    def open(self) -> Engine:
        return OpenSearchEngine(self.url, fresh=True)

    def teardown(self) -> None:
        super().teardown()
        self.stack.close()


@pytest.mark.cluster
@pytest.mark.slow
def test_two_engines_on_a_cluster_do_what_the_model_does(cluster_url: str) -> None:
    OnCluster.cluster = cluster_url
    run(OnCluster, examples=8, steps=30)
