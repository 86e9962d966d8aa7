"""Copies of a pipeline, and pickles, which name its checkpoint instead of carrying it."""

import copy
import multiprocessing
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image
from tiny import random_map, random_model

from fiancee_hub import CheckpointError, Controls, FianceePipeline, Result, StreetsPipeline
from fiancee_hub.families.faces.pipeline import FacesPipeline
from fiancee_hub.hub.checkpoints import CONFIG, WEIGHTS, save_checkpoint

PHOTO = Path(__file__).resolve().parents[1] / "space/examples/faces/london_008_neutral.jpg"
COPIES: dict[str, Callable[[FianceePipeline], FianceePipeline]] = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": lambda pipe: pickle.loads(pickle.dumps(pipe)),
}


@pytest.fixture
def streets(tiny_checkpoint: Path) -> StreetsPipeline:
    return StreetsPipeline.from_pretrained(tiny_checkpoint)


def picture(pipe: StreetsPipeline) -> Image.Image:
    return pipe(random_map(1), budget=0.5, seed=2).image


@pytest.mark.parametrize("how", COPIES)
def test_a_copy_makes_the_same_picture(streets: StreetsPipeline, how: str) -> None:
    other = COPIES[how](streets)
    assert type(other) is StreetsPipeline
    assert picture(other) == picture(streets)
    assert (other.model is streets.model) == (how == "copy")
    assert other.loaded_from == streets.loaded_from
    assert other.config == streets.config


@pytest.mark.parametrize("how", COPIES)
def test_a_copy_of_a_faces_pipeline_is_of_one_piece(tiny_face_checkpoint: Path, how: str) -> None:
    pipe = FacesPipeline.from_pretrained(tiny_face_checkpoint)
    source = pipe.encode(PHOTO)
    other = COPIES[how](pipe)
    assert isinstance(other, FacesPipeline)
    assert other.trunk is other.model.trunk
    expected, found = (p(source=source, driver=Controls(yaw=9), exit=1) for p in (pipe, other))
    assert found.image == expected.image


def test_a_deep_copy_is_independent(streets: StreetsPipeline) -> None:
    expected, other = picture(streets), copy.deepcopy(streets)
    for parameter in other.model.parameters():
        parameter.mul_(0.5)
    assert picture(streets) == expected


def test_a_pickle_is_small_and_keeps_the_place(streets: StreetsPipeline) -> None:
    streets.to("cpu", torch.bfloat16)
    pickled = pickle.dumps(streets)
    assert len(pickled) < 20_000
    other = pickle.loads(pickled)
    assert other.dtype == torch.bfloat16
    again, expected = (pipe(random_map(1), exit=2).image for pipe in (other, streets))
    assert again == expected


def test_what_was_begun_goes_on_elsewhere(streets: StreetsPipeline) -> None:
    rendering = streets.prepare(random_map(1), seed=2)
    rendering.result(1)
    other = pickle.loads(pickle.dumps(rendering))
    assert other.result(3).image == rendering.result(3).image


def test_another_process_makes_the_same_picture(streets: StreetsPipeline) -> None:
    # As many threads there as here: sums are taken in another order otherwise.
    threads = (torch.get_num_threads(),)
    with multiprocessing.get_context("spawn").Pool(1, torch.set_num_threads, threads) as pool:
        found = pool.apply(streets, (random_map(1),), {"budget": 0.5, "seed": 2})
    assert isinstance(found, Result) and found.image == picture(streets)


def test_what_no_checkpoint_holds_says_how(streets: StreetsPipeline) -> None:
    made = StreetsPipeline(random_model(), streets.config)
    with pytest.raises(CheckpointError, match=r"save it with save_pretrained\(FOLDER\)"):
        pickle.dumps(made)
    next(streets.model.parameters()).add_(0.01)
    with pytest.raises(CheckpointError, match="weights are no longer those of"):
        pickle.dumps(streets)


def test_a_checkpoint_that_changed_meanwhile_is_refused(
    tiny_checkpoint: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "checkpoint"
    shutil.copytree(tiny_checkpoint, folder)
    pipe = StreetsPipeline.from_pretrained(folder)
    pickled = pickle.dumps(pipe)
    save_checkpoint(folder, random_model(1), pipe.config)
    with pytest.raises(CheckpointError, match="other weights than when"):
        pickle.loads(pickled)
    (folder / WEIGHTS).unlink()
    with pytest.raises(CheckpointError, match="is not on this machine"):
        pickle.loads(pickled)
    assert (folder / CONFIG).is_file()
