"""Fixtures of the demo's tests: pipelines, a browser and the pages that it opens."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from demo_fixtures import save_street_checkpoint
from demo_server import CHROMIUM, FacesPage, StreetsPage, browsing
from playwright.sync_api import Browser, Page

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


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("there is no chromium")
    with browsing() as opened:
        yield opened


@pytest.fixture
def window() -> tuple[int, int]:
    """Width and height; tests that want others are parametrised."""
    return 1280, 900


@pytest.fixture
def page(browser: Browser, window: tuple[int, int]) -> Iterator[Page]:
    width, height = window
    opened = browser.new_page(viewport={"width": width, "height": height})
    yield opened
    opened.close()


@pytest.fixture
def screen(page: Page, demo_url: str) -> StreetsPage:
    return StreetsPage(page, demo_url)


@pytest.fixture
def faces(page: Page, demo_url: str) -> FacesPage:
    return FacesPage(page, demo_url)
