"""Checkpoints in a subfolder, and other forms of their weights: in folders and on a Hub."""

import pickle
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hub_client import Client
from hub_server import TOKEN, Hub, serving
from PIL import Image
from tiny import config_of, random_map, random_model

from fiancee_hub import CheckpointError, FianceePipeline
from fiancee_hub.hub.checkpoints import CONFIG, WEIGHTS, save_checkpoint, weights_of
from fiancee_hub.hub.saving import CARD, EVALUATION

FP16 = "model.fp16.safetensors"
REPO = "user/cities"


@pytest.fixture(scope="module")
def cities(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two checkpoints in one folder; one has a second form of its weights, of another model."""
    folder = tmp_path_factory.mktemp("cities")
    for name in ("streets", "squares"):
        shutil.copytree(tiny_checkpoint, folder / name)
    other = random_model(seed=1)
    save_checkpoint(folder / "other", other, config_of(other))
    (folder / "other" / WEIGHTS).rename(folder / "streets" / FP16)
    shutil.rmtree(folder / "other")
    return folder


def test_a_subfolder_of_a_folder(cities: Path, pipeline: FianceePipeline) -> None:
    pipe = FianceePipeline.from_pretrained(cities, subfolder="streets")
    assert pipe.loaded_from == cities / "streets"
    found, expected = (each(random_map(0), exit=1) for each in (pipe, pipeline))
    assert found.image == expected.image


def test_a_variant_in_a_folder(cities: Path, pipeline: FianceePipeline) -> None:
    pipe = FianceePipeline.from_pretrained(cities / "streets", variant="fp16")
    found, expected = (each(random_map(0), exit=1) for each in (pipe, pipeline))
    assert found.image != expected.image
    again = pickle.loads(pickle.dumps(pipe))(random_map(0), exit=1)
    assert again.image == found.image


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"subfolder": "parks"}, rf"parks holds no {CONFIG}; .* holds squares/.*, streets/.*: "),
        ({"subfolder": "../cities/streets"}, "is no subfolder: give a path"),
        ({"subfolder": "/etc"}, "is no subfolder"),
        ({"subfolder": 3}, "3 is no subfolder"),
        ({"subfolder": "streets", "variant": "bf16"},
         rf"no model\.bf16\.safetensors; .* holds {FP16}, {WEIGHTS}: name one of them"),
        ({"subfolder": "streets", "variant": "../x"}, "'../x' is no variant"),
        ({"subfolder": "streets", "variant": 16}, "16 is no variant"),
    ],
)  # fmt: skip
def test_what_is_not_there(cities: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        FianceePipeline.from_pretrained(cities, **options)


def test_names_of_variants() -> None:
    assert weights_of(None) == WEIGHTS
    assert weights_of("fp16") == FP16


@pytest.fixture
def hub(cities: Path) -> Iterator[Hub]:
    with serving() as running:
        paths = [path for path in cities.rglob("*") if path.is_file()]
        files = {path.relative_to(cities).as_posix(): path.read_bytes() for path in paths}
        running.add(REPO, files)
        yield running


CALLS = """
import sys
from fiancee_hub import CheckpointError, FianceePipeline

repository, label_map, out = sys.argv[1:]
for variant in (None, "fp16"):
    pipe = FianceePipeline.from_pretrained(repository, subfolder="streets", variant=variant)
    pipe(label_map, exit=1).image.save(f"{out}/{variant}.png")
for options in ({"variant": "bf16", "subfolder": "streets"}, {"subfolder": "parks"}):
    try:
        FianceePipeline.from_pretrained(repository, **options)
    except CheckpointError as error:
        print(error)
"""


def test_on_a_hub(hub: Hub, cities: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "map.npy", random_map(0))
    client = Client(hub, tmp_path / "home")
    words = [REPO, str(tmp_path / "map.npy"), str(tmp_path)]
    done = client.run(sys.executable, "-c", CALLS, *words)
    assert done.returncode == 0, done.stderr
    for variant in (None, "fp16"):
        pipe = FianceePipeline.from_pretrained(cities, subfolder="streets", variant=variant)
        expected = pipe(random_map(0), exit=1).image
        assert Image.open(tmp_path / f"{variant}.png").convert("RGB") == expected
    no_variant, no_folder = done.stdout.splitlines()
    there = f"squares/{WEIGHTS}, streets/{FP16}, streets/{WEIGHTS}"
    assert "lacks one of streets/config.json, streets/model.bf16.safetensors" in no_variant
    for name in (*there.split(", "), f"streets/{CONFIG}"):
        assert name in no_variant
        assert name in no_folder


KEEP = """
import pickle, shutil, sys
from fiancee_hub import FianceePipeline

repository, out = sys.argv[1:]
pipe = FianceePipeline.from_pretrained(repository, subfolder="snapshots/streets")
pipe.save_pretrained(out)
pipe.push_to_hub("user/copy")
pickled = pickle.dumps(pipe)
shutil.rmtree(pipe._snapshot.cache)  # as on another machine
again = pickle.loads(pickled)
assert (again.repository, again.loaded_from) == (repository, pipe.loaded_from)
assert again._snapshot == pipe._snapshot
"""


def test_an_unchanged_checkpoint_of_a_subfolder_keeps_all_that_is_its_own(
    hub: Hub, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    """Whatever the subfolder is called; nothing of what lies beside it."""
    own = {name: (tiny_checkpoint / name).read_bytes() for name in (CONFIG, WEIGHTS)}
    own |= {CARD: b"# Streets", EVALUATION: b"{}", "exits.png": b"png", "figures/a.png": b"a"}
    below = {f"snapshots/streets/{name}": content for name, content in own.items()}
    hub.add("user/atlas", below | {CARD: b"# All", "snapshots/streets-old/exits.png": b"old"})
    client = Client(hub, tmp_path / "home")
    words = ["user/atlas", str(tmp_path / "saved")]
    done = client.run(sys.executable, "-c", KEEP, *words, HF_TOKEN=TOKEN)
    assert done.returncode == 0, done.stderr
    paths = [path for path in (tmp_path / "saved").rglob("*") if path.is_file()]
    saved = {path.relative_to(tmp_path / "saved").as_posix(): path.read_bytes() for path in paths}
    assert saved == own
    assert hub.files("user/copy") == own
