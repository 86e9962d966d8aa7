"""What ``train --push`` puts on the Hub."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hub_client import Client
from hub_server import TOKEN, Hub, serving
from tiny import CLASSES, random_map

from fiancee_hub.families.label_maps.classes import to_rgb
from fiancee_hub.hub.checkpoints import CONFIG, WEIGHTS
from fiancee_hub.hub.config import read_config
from fiancee_hub.hub.examples import give_domain
from fiancee_hub.hub.saving import CARD, EVALUATION, TRAINING_STATE

PUSH = """
from pathlib import Path
from fiancee_hub.cli.finished import _push
_push(Path({folder!r}), "user/mine")
"""


@pytest.fixture
def hub() -> Iterator[Hub]:
    with serving() as running:
        yield running


@pytest.fixture
def finished(tiny_checkpoint: Path, tmp_path: Path) -> Path:
    """A checkpoint with an example, its notes, figures and a picture."""
    folder = Path(shutil.copytree(tiny_checkpoint, tmp_path / "out"))
    to_rgb(random_map(1), CLASSES).save(tmp_path / "map.png")
    give_domain(folder, read_config(folder / CONFIG).domain, {"Map": tmp_path / "map.png"})
    for name in (CARD, EVALUATION, "training.json", "exits.png"):
        (folder / name).write_bytes(b"{}")
    return folder


def test_what_belongs_to_the_checkpoint_is_pushed(hub: Hub, finished: Path, tmp_path: Path) -> None:
    """And nothing that lay in the folder of ``--out`` before."""
    own = {
        path.relative_to(finished).as_posix(): path.read_bytes()
        for path in finished.rglob("*")
        if path.is_file()
    }
    for name in (".env", "notes.txt", TRAINING_STATE, "runs/photo.jpg", "examples/other.png"):
        (finished / name).parent.mkdir(exist_ok=True)
        (finished / name).write_bytes(b"private")
    done = Client(hub, tmp_path / "home").python(PUSH.format(folder=str(finished)), HF_TOKEN=TOKEN)
    assert done.returncode == 0, done.stderr
    assert {"examples/map.png", CARD, WEIGHTS} < own.keys()
    assert hub.files("user/mine") == own


def test_a_refused_push_says_how_to_try_again(hub: Hub, finished: Path, tmp_path: Path) -> None:
    done = Client(hub, tmp_path / "home").python(PUSH.format(folder=str(finished)))
    assert done.returncode == 1
    assert f"`publish {finished} user/mine` puts it there later" in done.stderr
