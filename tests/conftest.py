"""Fixtures: a very small checkpoint with random weights, and a pipeline on it."""

import os
from pathlib import Path
from types import ModuleType

import pytest
import tiny
import tiny_faces
from hypothesis import settings
from tiny import config_of, random_model

from fiancee_hub import FianceePipeline
from fiancee_hub.hub import save_checkpoint
from fiancee_hub.models.exits import EarlyExitModel

# The same examples in every run, so that a change alone decides whether it passes;
# HYPOTHESIS_PROFILE=default looks for new ones.
settings.register_profile("repeatable", derandomize=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))


@pytest.fixture(scope="session", params=[tiny, tiny_faces], ids=lambda module: module.__name__)
def family(request: pytest.FixtureRequest) -> ModuleType:
    """A module with a small model of a family and inputs for it."""
    module: ModuleType = request.param
    return module


@pytest.fixture(scope="session")
def family_model(family: ModuleType) -> EarlyExitModel:
    found: EarlyExitModel = family.random_model()
    return found


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
