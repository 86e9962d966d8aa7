"""A small checkpoint as an embed on a static host."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from demo_fixtures import save_street_checkpoint
from embedded import EXAMPLES, Embedded
from playwright.sync_api import Page
from static_host import hosting

from fiancee_hub.families.label_maps.pipeline import LabelMapPipeline
from fiancee_hub.hub.checkpoints import CONFIG
from fiancee_hub.hub.config import read_config
from fiancee_hub.hub.examples import give_domain
from fiancee_hub.web.embed import embed


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Small, with two example maps and a router that takes another exit at another budget."""
    folder = save_street_checkpoint(tmp_path_factory.mktemp("embedded"))
    pictures = {path.stem: path for path in sorted(EXAMPLES.glob("*.png"))[:2]}
    give_domain(folder, read_config(folder / CONFIG).domain, pictures)
    return folder


@pytest.fixture(scope="session")
def site(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The embed's folder, below another one as on a page of a larger site."""
    root = tmp_path_factory.mktemp("host")
    embed(checkpoint, root / "blog" / "streets", precision="fp32")
    return root


@pytest.fixture(scope="session")
def address(site: Path) -> Iterator[str]:
    with hosting(site) as url:
        yield f"{url}/blog/streets/"


@pytest.fixture(scope="session")
def library(checkpoint: Path) -> LabelMapPipeline:
    return LabelMapPipeline.from_pretrained(checkpoint)


@pytest.fixture
def opened(page: Page, address: str) -> Embedded:
    return Embedded(page, f"{address}index.html")


@pytest.fixture
def begun(opened: Embedded) -> Embedded:
    opened.begin()
    return opened
