"""Fixtures: a very small checkpoint with random weights, and a pipeline on it."""

from pathlib import Path

import pytest
from tiny import config_of, random_model

from fiancee_hub import FianceePipeline
from fiancee_hub.hub import save_checkpoint
from fiancee_hub.models.exits import EarlyExitModel


@pytest.fixture(scope="session")
def model() -> EarlyExitModel:
    return random_model()


@pytest.fixture(scope="session")
def tiny_checkpoint(model: EarlyExitModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkpoint")
    save_checkpoint(folder, model, config_of(model))
    return folder


@pytest.fixture(scope="session")
def pipeline(tiny_checkpoint: Path) -> FianceePipeline:
    return FianceePipeline.from_pretrained(tiny_checkpoint)
