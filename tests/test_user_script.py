"""A user's script: no cast, no ignored line; mypy checks it with all else, and it runs.

``assert_type`` says what a type checker must know of each value.
"""

import pickle
from pathlib import Path
from typing import assert_type

import numpy as np
import pytest
from demo_fixtures import save_face_checkpoint
from PIL import Image
from tiny import random_map

from fiancee_hub import (
    AutoPipeline,
    CheckpointError,
    Comparison,
    FacesPipeline,
    FianceePipeline,
    LabelMapPipeline,
    Rendering,
    Result,
    Source,
    StreetsPipeline,
)

FACES = Path(__file__).resolve().parents[1] / "space" / "examples" / "faces"
ME, YOU = FACES / "london_008_neutral.jpg", FACES / "london_107_smile.jpg"


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_face_checkpoint(tmp_path_factory.mktemp("faces"))


def test_streets(tiny_checkpoint: Path) -> None:
    pipe = StreetsPipeline.from_pretrained(tiny_checkpoint)
    assert_type(pipe, StreetsPipeline)
    result = pipe(random_map(1), budget=0.1, seed=3)
    assert_type(result, Result)
    assert_type(result.image, Image.Image)
    comparison = pipe.compare(random_map(1), budget=0.1, seed=3)
    assert_type(comparison, Comparison)
    share: float = comparison.early.macs / comparison.full.macs
    several = pipe.generate_batch([random_map(1), random_map(2)])
    assert_type(several, list[Result])
    assert_type(pipe(["a.png", "b.png"][:0], budget=[]), list[Result])
    assert_type(pipe([[0] * 96] * 64), Result)
    rendering = pipe.prepare(random_map(1))
    assert_type(rendering, Rendering)
    names = [entry.name for entry in pipe.config.classes]
    assert_type(names, list[str])
    assert_type(pipe.trunk.config.noise_channels, int)
    assert share <= 1 and len(several) == 2 and "road" in names and rendering.result(1).exit == 1


def test_faces(faces: Path) -> None:
    pipe = FacesPipeline.from_pretrained(faces)
    assert_type(pipe, FacesPipeline)
    source = pipe.encode(ME)
    assert_type(source, Source)
    result = pipe(source=source, driver=YOU, budget=0.1)
    assert_type(pipe.compare(source=source, driver=YOU), Comparison)
    assert_type(pipe(source=source, driver=[YOU, ME], budget=[0.1, 0.2]), list[Result])
    assert_type(pipe.generate_batch(sources=[ME, source], drivers=[YOU, YOU]), list[Result])
    frames = [frame.result for frame in pipe.animate(source=source, frames=[result.image])]
    assert_type(frames, list[Result | None])
    assert pipe.paste(source, result.image).size == Image.open(ME).size


def test_any_checkpoint(tiny_checkpoint: Path, faces: Path) -> None:
    for folder in (tiny_checkpoint, faces):
        for pipe in (AutoPipeline.from_pretrained(folder), FianceePipeline.from_pretrained(folder)):
            assert_type(pipe, FianceePipeline)
            expected = FacesPipeline if folder == faces else LabelMapPipeline
            assert type(pipe) is expected


def test_any_checkpoint_is_called_as_its_family_is(tiny_checkpoint: Path) -> None:
    pipe = AutoPipeline.from_pretrained(tiny_checkpoint)
    assert_type(pipe(random_map(0), budget=0.2), Result)
    assert_type(pipe.compare(np.zeros((64, 96), int)), Comparison)


class Mine(StreetsPipeline):
    """Somebody's own."""


def test_an_own_class_loads_what_its_family_does(tiny_checkpoint: Path, faces: Path) -> None:
    pipe = Mine.from_pretrained(tiny_checkpoint)
    assert_type(pipe, Mine)
    expected = StreetsPipeline.from_pretrained(tiny_checkpoint)(random_map(0)).image
    for each in (pipe, pickle.loads(pickle.dumps(pipe))):
        assert type(each) is Mine
        assert each(random_map(0)).image == expected
    with pytest.raises(CheckpointError, match="load it with FacesPipeline"):
        Mine.from_pretrained(faces)


def test_the_wrong_class_is_one_clear_error(tiny_checkpoint: Path, faces: Path) -> None:
    with pytest.raises(CheckpointError, match=r"family label_maps: load it with LabelMapPipeline"):
        FacesPipeline.from_pretrained(tiny_checkpoint)
    with pytest.raises(CheckpointError, match=r"family faces: load it with FacesPipeline"):
        StreetsPipeline.from_pretrained(faces)
    pipe = FacesPipeline.from_pretrained(faces)
    with pytest.raises(CheckpointError, match="PortraitGenerator, but OasisGenerator is needed"):
        StreetsPipeline(pipe.model, pipe.config)
