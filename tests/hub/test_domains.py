"""What a checkpoint says about its data: format 1 read as format 2, and examples beside it."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hub_client import ROOT, Client
from hub_server import TOKEN, Hub, serving
from PIL import Image

from fiancee_hub import CheckpointError, FianceePipeline, InputError, StreetsPipeline
from fiancee_hub.core.domain import Domain
from fiancee_hub.hub.checkpoints import CONFIG, WEIGHTS
from fiancee_hub.hub.config import read_config
from fiancee_hub.hub.domains import shipped, shipped_names
from fiancee_hub.hub.examples import copy_examples, example_file, give_domain

SHIPPED = ROOT / "weights_card"
REPO = "owner/streets"


@pytest.fixture
def with_examples(tiny_checkpoint: Path, tmp_path: Path) -> Path:
    """A checkpoint with two example maps."""
    folder = shutil.copytree(tiny_checkpoint, tmp_path / "with")
    pictures = {}
    for title, grey in (("Night", 1), ("Noon", 2)):
        pictures[title] = tmp_path / f"{title.lower()}.png"
        Image.new("L", (96, 64), grey).save(pictures[title])
    give_domain(folder, Domain("test", "Test", aliases={"car": ((1, 250, 3),)}), pictures)
    return folder


def as_format_1(folder: Path, family: str) -> None:
    raw = json.loads((folder / CONFIG).read_text())
    del raw["domain"]
    (folder / CONFIG).write_text(json.dumps(raw | {"format": 1, "family": family}))


@pytest.mark.parametrize(
    ("name", "former", "family"),
    [("streets", "oasis", "label_maps"), ("faces", "portraits", "faces")],
)
def test_format_1_says_the_same(name: str, former: str, family: str, tmp_path: Path) -> None:
    shutil.copy(SHIPPED / name / CONFIG, tmp_path)
    as_format_1(tmp_path, former)
    found, now = read_config(tmp_path / CONFIG), read_config(SHIPPED / name / CONFIG)
    assert found == replace(now, domain=found.domain) and found.family == family
    known = now.domain
    assert found.domain == Domain(
        known.name, known.title, known.summary, known.aliases, known.unknown
    )


def test_format_1_with_other_classes_has_no_domain(tiny_checkpoint: Path, tmp_path: Path) -> None:
    shutil.copy(tiny_checkpoint / CONFIG, tmp_path)
    as_format_1(tmp_path, "oasis")
    assert read_config(tmp_path / CONFIG).domain == Domain()


def test_format_1_knows_its_own_families_only(tiny_checkpoint: Path, tmp_path: Path) -> None:
    shutil.copy(tiny_checkpoint / CONFIG, tmp_path)
    as_format_1(tmp_path, "label_maps")
    with pytest.raises(CheckpointError, match="'family' is 'label_maps', not one of"):
        read_config(tmp_path / CONFIG)


@pytest.mark.parametrize("name", [n for n in shipped_names() if (SHIPPED / n).is_dir()])
def test_our_checkpoints_carry_their_domain(name: str) -> None:
    config = read_config(SHIPPED / name / CONFIG)
    assert replace(config.domain, examples=()) == shipped(name).domain
    assert config.family == shipped(name).family and config.classes == shipped(name).classes
    for example in config.domain.examples:
        assert example_file(SHIPPED / name, example).is_file()


def test_our_streets_have_example_maps() -> None:
    pipe = FianceePipeline.from_pretrained(SHIPPED / "streets")
    examples = pipe.config.domain.examples
    assert [example.title for example in examples][3:] == ["Open road", "Crossing", "Square"]
    for example in examples:
        with Image.open(example_file(SHIPPED / "streets", example)) as picture:
            assert picture.size == (256, 192)


def test_aliases_are_the_checkpoints_own(with_examples: Path, tiny_checkpoint: Path) -> None:
    camvid = Image.new("RGB", (96, 64), (0, 0, 192))  # "pavement" in streets
    other = Image.new("RGB", (96, 64), (1, 250, 3))
    own = StreetsPipeline.from_pretrained(with_examples)
    plain = StreetsPipeline.from_pretrained(tiny_checkpoint)
    assert set(own.read(other).ids.flat) == {4}
    for pipe, strange in ((own, camvid), (plain, camvid), (plain, other)):
        with pytest.raises(InputError, match="in no class colour"):
            pipe.read(strange)


def test_examples_are_saved_with_it(with_examples: Path, tmp_path: Path) -> None:
    pipe = FianceePipeline.from_pretrained(with_examples)
    pipe.save_pretrained(tmp_path / "same")
    next(pipe.model.parameters()).add_(1)
    pipe.save_pretrained(tmp_path / "changed")
    for name in ("same", "changed"):
        copy = read_config(tmp_path / name / CONFIG)
        assert copy.domain == pipe.config.domain and len(copy.domain.examples) == 2
        for example in copy.domain.examples:
            assert example_file(tmp_path / name, example).is_file()


def test_a_model_from_nowhere_promises_no_examples(with_examples: Path, tmp_path: Path) -> None:
    pipe = FianceePipeline.from_pretrained(with_examples)
    pipe.loaded_from = None
    pipe.save_pretrained(tmp_path / "out")
    assert read_config(tmp_path / "out" / CONFIG).domain.examples == ()


def test_an_example_that_is_not_as_stated_is_refused(with_examples: Path, tmp_path: Path) -> None:
    domain = read_config(with_examples / CONFIG).domain
    (with_examples / domain.examples[1].file).write_bytes(b"another")
    with pytest.raises(CheckpointError, match=r"noon\.png: does not have the SHA-256"):
        example_file(with_examples, domain.examples[1])
    (with_examples / domain.examples[1].file).unlink()
    with pytest.raises(CheckpointError, match=r"noon\.png: is missing"):
        copy_examples(domain, with_examples, tmp_path / "copy")
    assert FianceePipeline.from_pretrained(with_examples).config.domain == domain


@pytest.fixture
def hub(with_examples: Path) -> Iterator[Hub]:
    with serving() as server:
        names = (CONFIG, WEIGHTS, "examples/night.png", "examples/noon.png")
        server.add(REPO, {name: (with_examples / name).read_bytes() for name in names})
        yield server


def test_examples_are_downloaded_and_pushed(hub: Hub, tmp_path: Path) -> None:
    client = Client(hub, tmp_path / "home")
    code = f"""
from fiancee_hub import FianceePipeline
from fiancee_hub.hub.examples import example_file
pipe = FianceePipeline.from_pretrained("{REPO}")
print(*(example_file(pipe.loaded_from, e).name for e in pipe.config.domain.examples))
pipe.push_to_hub("owner/copy")
"""
    done = client.python(code, HF_TOKEN=TOKEN)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["night.png", "noon.png"]
    again = client.python(code.replace(REPO, "owner/copy"), HF_TOKEN=TOKEN)
    assert again.stdout.split() == ["night.png", "noon.png"], again.stderr
