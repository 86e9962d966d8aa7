"""Graphs of the small models, written once: each takes seconds."""

import os
from collections.abc import Iterator

import pytest
from shared_graphs import sharing


@pytest.fixture(scope="package", autouse=True)
def shared_graphs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    run = tmp_path_factory.getbasetemp()
    # Workers have folders of their own in the run's.
    with sharing((run.parent if "PYTEST_XDIST_WORKER" in os.environ else run) / "graphs"):
        yield
