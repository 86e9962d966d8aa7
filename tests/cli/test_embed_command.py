"""What ``embed USER/REPO`` fetches before it begins."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hub_client import Client
from hub_server import Hub, serving
from tiny import CLASSES, random_map

from fiancee_hub.core.errors import InputError
from fiancee_hub.families.label_maps.classes import to_rgb
from fiancee_hub.hub.checkpoints import CONFIG, WEIGHTS
from fiancee_hub.hub.config import read_config
from fiancee_hub.hub.examples import give_domain
from fiancee_hub.hub.saving import CARD
from fiancee_hub.web.embed import embed

REPO = "user/streets"
EXAMPLE = "examples/map.png"

FETCH = f"""
from fiancee_hub.cli.embed import _folder_of
folder = _folder_of("{REPO}")
print(*sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.*")))
"""


@pytest.fixture
def hub(tiny_checkpoint: Path, tmp_path: Path) -> Iterator[Hub]:
    folder = Path(shutil.copytree(tiny_checkpoint, tmp_path / "there"))
    to_rgb(random_map(1), CLASSES).save(tmp_path / "map.png")
    give_domain(folder, read_config(folder / CONFIG).domain, {"Map": tmp_path / "map.png"})
    with serving() as running:
        names = (CONFIG, WEIGHTS, EXAMPLE)
        running.add(REPO, {name: (folder / name).read_bytes() for name in names})
        yield running


def test_a_wrong_budget_is_named_before_the_work(tiny_checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="budget 2 is out of range"):
        embed(tiny_checkpoint, tmp_path / "site", budget=2)


@pytest.mark.parametrize("carded", [True, False])
def test_examples_and_card_are_fetched_too(hub: Hub, tmp_path: Path, carded: bool) -> None:
    """A repository without a card can be embedded, which is said."""
    if carded:
        hub.add(REPO, {CARD: b"# Terms", "notes.txt": b"not needed"})
    done = Client(hub, tmp_path / "home").python(FETCH)
    assert done.returncode == 0, done.stderr
    card = [CARD] if carded else []
    assert done.stdout.split() == [*card, CONFIG, EXAMPLE, WEIGHTS]
    assert ("carries no card" in done.stderr) == (not carded)


def test_a_folder_is_taken_as_it_is(hub: Hub, tiny_checkpoint: Path, tmp_path: Path) -> None:
    words = FETCH.replace(REPO, str(tiny_checkpoint))
    assert Client(hub, tmp_path / "home").python(words).returncode == 0
    assert not hub.requests
