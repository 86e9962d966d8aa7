"""Fixtures: a very small checkpoint with random weights, and a pipeline on it."""

import os
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest
import tiny
import tiny_faces
import torch
from demo_fixtures import save_face_checkpoint, save_street_checkpoint
from hypothesis import settings
from tiny import config_of, random_model

from fiancee_hub import FianceePipeline
from fiancee_hub.core.exits import EarlyExitModel
from fiancee_hub.hub.checkpoints import CONFIG, WEIGHTS, save_checkpoint

# The same examples in every run, so that a change alone decides whether it passes;
# HYPOTHESIS_PROFILE=default looks for new ones.
settings.register_profile("repeatable", derandomize=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))

# Workers share two cores; with two threads each, every small operation would wait.
if "PYTEST_XDIST_WORKER" in os.environ:
    torch.set_num_threads(1)

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

TESTS = Path(__file__).resolve().parent
SHIPPED = TESTS.parent / "weights_card"


BROWSED = {"demo_url", "browser"}
"""Fixtures of tests in a browser."""


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Files stay together; so do all of the embed, whose graphs take long to write."""
    from xdist.scheduler import LoadFileScheduling

    class Scheduler(LoadFileScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            file = str(super()._split_scope(nodeid))
            return "embed" if Path(file).parts[1] == "web" else file

    return Scheduler(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files in a browser come first: they take longest, and workers would wait for the last."""
    browsed = {item.path for item in items if BROWSED & set(getattr(item, "fixturenames", ()))}
    items.sort(key=lambda item: item.path not in browsed)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """What a test printed may name files that are not UTF-8; workers hand on UTF-8 only."""
    report = yield
    report.sections = [
        (name, text.encode(errors="backslashreplace").decode()) for name, text in report.sections
    ]
    return report


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


@pytest.fixture(scope="session")
def shipped_streets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _shipped("streets", save_street_checkpoint, tmp_path_factory)


@pytest.fixture(scope="session")
def shipped_faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _shipped("faces", save_face_checkpoint, tmp_path_factory)


@pytest.fixture(scope="session")
def tiny_face_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_face_checkpoint(tmp_path_factory.mktemp("faces"))


def _shipped(name: str, otherwise: Callable[[Path], Path], folders: pytest.TempPathFactory) -> Path:
    """The checkpoint that comes with the demo, or a small one."""
    ready = all((SHIPPED / name / file).is_file() for file in (CONFIG, WEIGHTS))
    return SHIPPED / name if ready else otherwise(folders.mktemp(name))


@pytest.fixture(scope="session")
def demo_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo") / "log.txt"


@pytest.fixture(scope="session")
def demo_url(shipped_streets: Path, shipped_faces: Path, demo_log: Path) -> Iterator[str]:
    """Address of a demo with both families, one for all tests in a browser."""
    # Only they need a browser.
    from demo_server import serving

    with serving(shipped_streets, shipped_faces, demo_log) as address:
        yield address


@pytest.fixture(scope="module")  # its loop runs in this thread, where others may want theirs
def browser() -> "Iterator[Browser]":
    from demo_server import CHROMIUM, browsing

    if CHROMIUM is None:
        pytest.skip("there is no chromium")
    with browsing() as opened:
        yield opened


@pytest.fixture
def window() -> tuple[int, int]:
    """Width and height; tests that want others are parametrised."""
    return 1280, 900


@pytest.fixture
def page(browser: "Browser", window: tuple[int, int]) -> "Iterator[Page]":
    width, height = window
    opened = browser.new_page(viewport={"width": width, "height": height})
    yield opened
    opened.close()
