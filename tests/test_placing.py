"""Where a pipeline runs and in which type; a second name of the CPU stands for an accelerator."""

from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import random_map

from fiancee_hub import Controls, FianceePipeline, InputError
from fiancee_hub.families.faces.pipeline import FacesPipeline
from fiancee_hub.families.label_maps.pipeline import StreetsPipeline

PHOTO = Path(__file__).resolve().parents[1] / "space/examples/faces/london_008_neutral.jpg"
CPU_0 = torch.device("cpu:0")
"""Another device than "cpu" to torch."""

FEW_LEVELS = {torch.float64: 1, torch.bfloat16: 24, torch.float16: 4}
"""Of 255, by which a channel of a random network's picture may differ from float32's."""


@pytest.fixture
def streets(tiny_checkpoint: Path) -> StreetsPipeline:
    return StreetsPipeline.from_pretrained(tiny_checkpoint)


def test_as_loaded(streets: StreetsPipeline) -> None:
    assert streets.device == torch.device("cpu")
    assert streets.dtype == torch.float32


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        ((CPU_0,), {}),
        (("cpu:0",), {}),
        ((torch.bfloat16,), {}),
        (("cpu:0", torch.bfloat16), {}),
        ((torch.bfloat16, CPU_0), {}),
        ((), {"device": "cpu:0", "dtype": torch.bfloat16}),
        (("cpu:0",), {"dtype": torch.bfloat16}),
        ((), {}),
    ],
)
def test_ways_to_say_it(
    streets: StreetsPipeline, arguments: tuple[object, ...], names: dict[str, object]
) -> None:
    assert streets.to(*arguments, **names) is streets
    given = [*arguments, *names.values()]
    assert streets.device.type == "cpu"
    assert streets.dtype == (torch.bfloat16 if torch.bfloat16 in given else torch.float32)


@pytest.mark.parametrize(
    ("arguments", "names", "reason"),
    [
        (("meta",), {}, "hold no values"),
        (("gpu",), {}, "is no device"),
        ((3.5,), {}, "is no device"),
        (("mps",), {}, "cannot be used here"),
        (("cpu", "cpu"), {}, "the device is given twice"),
        (("cpu",), {"device": "cpu"}, "the device is given twice"),
        ((torch.float32,), {"dtype": torch.float32}, "the type is given twice"),
        ((torch.int8,), {}, "a model cannot run in torch.int8"),
        ((), {"dtype": "float16"}, "a model cannot run in float16"),
    ],
)
def test_refusals_change_nothing(
    streets: StreetsPipeline, arguments: tuple[object, ...], names: dict[str, object], reason: str
) -> None:
    with pytest.raises(InputError, match=reason):
        streets.to(*arguments, **names)
    assert streets.device == torch.device("cpu")
    assert streets.dtype == torch.float32


def test_another_device_makes_the_same_pictures(
    streets: StreetsPipeline, pipeline: FianceePipeline
) -> None:
    streets.to("cpu:0")
    found, expected = (p.compare(random_map(2), budget=0.5, seed=7) for p in (streets, pipeline))
    assert found.early.image == expected.early.image
    assert found.full.image == expected.full.image
    assert found.lpips == expected.lpips
    (batched,) = streets.generate_batch([random_map(2)], budget=0.5, seeds=[7])
    assert batched.image == expected.early.image
    assert streets.prepare(random_map(2)).image(1).device == torch.device("cpu")


@pytest.mark.parametrize("dtype", FEW_LEVELS)
def test_streets_in_another_type(
    streets: StreetsPipeline, pipeline: FianceePipeline, dtype: torch.dtype
) -> None:
    streets.to(dtype)
    for seed in range(4):
        found, expected = (p.prepare(random_map(seed), seed=seed) for p in (streets, pipeline))
        assert found.predicted == expected.predicted  # so the same exits are taken
        for exit_index in (1, 4):
            images = [r.result(exit_index).image for r in (found, expected)]
            one, other = (np.asarray(image, np.int64) for image in images)
            assert abs(one - other).max() <= FEW_LEVELS[dtype]
        assert found.image(1).dtype == torch.float32


def test_a_rendering_stays_where_it_began(streets: StreetsPipeline) -> None:
    rendering = streets.prepare(random_map(2))
    first = rendering.result(2)
    streets.to(torch.bfloat16)
    assert rendering.result(2) is first
    with pytest.raises(InputError, match=r"moved to cpu and torch\.bfloat16 .*: prepare it again"):
        rendering.result(3)
    streets.to(torch.float32)
    assert rendering.result(3).exit == 3


@pytest.mark.parametrize("dtype", FEW_LEVELS)
def test_faces_in_another_type_take_what_was_read_before(
    tiny_face_checkpoint: Path, dtype: torch.dtype
) -> None:
    pipe = FacesPipeline.from_pretrained(tiny_face_checkpoint)
    source, driver = pipe.encode(PHOTO), Controls(yaw=8)
    expected = pipe(source=source, driver=driver, exit=1).image
    pipe.to("cpu:0", dtype)
    for given in (source, PHOTO):
        found = pipe(source=given, driver=driver, exit=1).image
        assert abs(np.asarray(found, np.int64) - np.asarray(expected, np.int64)).max() <= 24
    there = pipe.encode(PHOTO)
    pipe.to("cpu", torch.float32)
    found = pipe(source=there, driver=driver, exit=1).image
    assert abs(np.asarray(found, np.int64) - np.asarray(expected, np.int64)).max() <= 24
