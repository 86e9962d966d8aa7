"""A small checkpoint as an embed on a static host."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from demo_fixtures import save_street_checkpoint
from embedded import EXAMPLES, Embedded
from playwright.sync_api import Page
from static_host import hosting

from fiancee_hub.backends.export import MANIFEST
from fiancee_hub.families.label_maps.pipeline import LabelMapPipeline
from fiancee_hub.hub.checkpoints import CONFIG
from fiancee_hub.hub.config import read_config
from fiancee_hub.hub.examples import give_domain
from fiancee_hub.hub.saving import CARD
from fiancee_hub.web.embed import MODEL, embed

PATIENCE = 900
"""Seconds for a test here: whichever comes first waits for the graphs too."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.timeout(PATIENCE))


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Small, with two example maps and a router that takes another exit at another budget."""
    folder = save_street_checkpoint(tmp_path_factory.mktemp("embedded"))
    pictures = {path.stem: path for path in sorted(EXAMPLES.glob("*.png"))[:2]}
    give_domain(folder, read_config(folder / CONFIG).domain, pictures)
    (folder / CARD).write_text("# Some streets\n\nWhat may be done with the weights.\n")
    return folder


@pytest.fixture(scope="session")
def site(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The embed's folder, below another one as on a page of a larger site."""
    root = tmp_path_factory.mktemp("host")
    embed(checkpoint, root / "blog" / "streets", precision="fp32")
    return root


@pytest.fixture(scope="module")
def ready_graphs(site: Path) -> Iterator[None]:
    """What is embedded again has the same graphs, which take long to write."""
    made = site / "blog" / "streets" / MODEL

    def copied(folder: Path, target: Path, *args: Any, **options: Any) -> dict[str, Any]:
        shutil.copytree(made, target, dirs_exist_ok=True)
        return json.loads((made / MANIFEST).read_text())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fiancee_hub.web.embed.export_checkpoint", copied)
        yield


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
