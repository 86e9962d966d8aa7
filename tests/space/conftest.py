"""Fixtures of the demo's tests: pipelines, and the demo's screens in a browser."""

from pathlib import Path

import pytest
from demo_fixtures import save_street_checkpoint
from demo_server import FacesPage, StreetsPage
from playwright.sync_api import Page

from fiancee_hub.families.faces.pipeline import FacesPipeline
from fiancee_hub.families.label_maps.pipeline import StreetsPipeline
from space import demo
from space.settings import Checkpoint, Settings


@pytest.fixture(scope="session")
def small_streets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_street_checkpoint(tmp_path_factory.mktemp("streets"))


@pytest.fixture(scope="session")
def pipe(small_streets: Path) -> StreetsPipeline:
    return StreetsPipeline.from_pretrained(small_streets)


@pytest.fixture(scope="session")
def face_pipe(tiny_face_checkpoint: Path) -> FacesPipeline:
    return FacesPipeline.from_pretrained(tiny_face_checkpoint)


@pytest.fixture(scope="session")
def shipped_pipe(shipped_streets: Path) -> StreetsPipeline:
    """What the page of ``demo_url`` shows."""
    return StreetsPipeline.from_pretrained(shipped_streets)


@pytest.fixture(scope="session")
def shipped_face_pipe(shipped_faces: Path) -> FacesPipeline:
    """What the page of ``demo_url`` shows."""
    return FacesPipeline.from_pretrained(shipped_faces)


@pytest.fixture(scope="module")
def checkpoints(small_streets: Path, tiny_face_checkpoint: Path) -> list[demo.Loaded]:
    names = {"streets": small_streets, "faces": tiny_face_checkpoint}
    listed = tuple(Checkpoint(name, str(path)) for name, path in names.items())
    return list(demo.load(Settings(listed, threads=1)))


@pytest.fixture
def screen(page: Page, demo_url: str) -> StreetsPage:
    return StreetsPage(page, demo_url)


@pytest.fixture
def faces(page: Page, demo_url: str) -> FacesPage:
    return FacesPage(page, demo_url)
