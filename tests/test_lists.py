"""Lists of inputs: what each would give alone, routed each by its own budget."""

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from demo_fixtures import save_face_checkpoint
from face_data import random_motion
from PIL import Image
from tiny import random_map

from fiancee_hub import FacesPipeline, InputError, Result, StreetsPipeline
from fiancee_hub.families.faces.controls import Controls

FACES = Path(__file__).resolve().parents[1] / "space" / "examples" / "faces"
ME, YOU = FACES / "london_008_neutral.jpg", FACES / "london_107_smile.jpg"
MAPS = [random_map(number) for number in range(3)]
BUDGETS = (0.0, 1.0, 0.02)


@pytest.fixture(scope="module")
def streets(tiny_checkpoint: Path) -> StreetsPipeline:
    return StreetsPipeline.from_pretrained(tiny_checkpoint)


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> FacesPipeline:
    return FacesPipeline.from_pretrained(save_face_checkpoint(tmp_path_factory.mktemp("faces")))


def assert_alike(found: Sequence[Result], alone: Sequence[Result]) -> None:
    """The same but for the times, and for a grey level where sums ran in another order."""
    for many, one in zip(found, alone, strict=True):
        assert (many.exit, many.seed, many.notes) == (one.exit, one.seed, one.notes)
        assert (many.macs, many.saving, many.source_macs) == (one.macs, one.saving, one.source_macs)
        assert many.predicted_lpips == pytest.approx(one.predicted_lpips, abs=1e-5)
        assert np.abs(levels(many.image) - levels(one.image)).max() <= 1


def levels(picture: Image.Image) -> Any:
    return np.asarray(picture, np.int16)


def test_a_list_of_maps_gives_a_list(streets: StreetsPipeline) -> None:
    found = streets(MAPS, budget=BUDGETS, seed=(7, 8, 9))
    alone = [
        streets(one, budget=budget, seed=seed)
        for one, budget, seed in zip(MAPS, BUDGETS, (7, 8, 9), strict=True)
    ]
    assert len({result.exit for result in alone}) > 1
    assert_alike(found, alone)


def test_one_budget_and_one_seed_are_for_all(streets: StreetsPipeline) -> None:
    budget: Any = np.float32(0.3)
    found = streets(MAPS, budget=budget, seed=4)
    assert_alike(found, [streets(one, budget=0.3, seed=4) for one in MAPS])
    assert [result.exit for result in streets(MAPS, exit=2)] == [2, 2, 2]


def test_what_one_map_is_stays_one_map(streets: StreetsPipeline) -> None:
    ids = MAPS[0]
    whole = streets(ids, exit=1)
    for form in (ids.tolist(), [*ids], [torch.from_numpy(row) for row in ids]):
        assert isinstance(result := streets(form, exit=1), Result)
        assert result.image == whole.image
    assert isinstance(streets([ids.tolist()], exit=1), list)
    assert streets([]) == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"budget": [0.1]}, "3 inputs but 1 budgets: give one for each"),
        ({"budget": [0.1, 0.2, 2]}, "budget 2 is out of range"),
        ({"seed": [1, 2]}, "3 inputs but 2 seeds"),
        ({"seed": [1, 2, -1]}, "seed -1 is out of range"),
        ({"seed": [1, 2, 3, 4]}, "3 inputs but 4 seeds"),
        ({"seed": itertools.count()}, "3 inputs but more than 3 seeds"),
        ({"budget": itertools.repeat(0.1)}, "3 inputs but more than 3 budgets"),
        ({"seed": 3, "generator": torch.Generator()}, "a seed or a generator, not both"),
        (
            {"seed": np.array([1, 2, 3]), "generator": torch.Generator()},
            "a seed or a generator, not both",
        ),
        ({"exit": 9}, "exit 9 does not exist"),
    ],
)
def test_lists_that_cannot_be_used(
    streets: StreetsPipeline, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(InputError, match=words):
        streets(MAPS, **options)


def test_a_bar_is_shown_if_wanted(
    streets: StreetsPipeline, capfd: pytest.CaptureFixture[str]
) -> None:
    streets.generate_batch(MAPS[:2], exit=1)
    assert capfd.readouterr().err == ""
    streets.generate_batch(MAPS[:2], exit=1, progress=True)
    assert "2/2" in capfd.readouterr().err


def drivers() -> list[Any]:
    random = np.random.default_rng(1)
    return [YOU, Controls(yaw=12), random_motion(random)]


def test_one_source_and_many_drivers(faces: FacesPipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = drivers()
    alone = [
        faces(source=ME, driver=driver, budget=budget)
        for driver, budget in zip(wanted, BUDGETS, strict=True)
    ]
    read: list[Any] = []
    encode = faces.trunk.encode

    def counted(*inputs: Any) -> Any:
        read.append(inputs)
        return encode(*inputs)

    monkeypatch.setattr(faces.trunk, "encode", counted)
    found = faces(source=ME, driver=wanted, budget=BUDGETS)
    assert len(read) == 1
    assert len({result.exit for result in alone}) > 1
    assert_alike(found, alone)


def test_many_pairs(faces: FacesPipeline) -> None:
    wanted, sources = drivers(), [ME, YOU, faces.encode(ME)]
    found = faces.generate_batch(sources=sources, drivers=wanted, exit=1, batch_size=2)
    assert_alike(
        found,
        [
            faces(source=source, driver=driver, exit=1)
            for source, driver in zip(sources, wanted, strict=True)
        ],
    )


def test_drivers_relative_to_their_neutral_picture(faces: FacesPipeline) -> None:
    motions = [faces.motion(YOU), faces.motion(ME)]
    alone = [faces(source=ME, driver=motion, reference=ME, exit=1) for motion in motions]
    assert_alike(faces.generate_batch(sources=ME, drivers=motions, references=ME, exit=1), alone)
    assert_alike(
        faces.generate_batch(sources=ME, drivers=motions, references=[ME, ME], exit=1), alone
    )


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda pipe: pipe.generate_batch(sources=[ME], drivers=[ME, YOU]), "2 inputs but 1 sou"),
        (lambda pipe: pipe.generate_batch(sources=ME, drivers=YOU), "drivers must be a list of"),
        (lambda pipe: pipe.generate_batch(sources=ME, drivers=[YOU, 3]), "pair 1 of drivers and"),
        (lambda pipe: pipe.generate_batch(sources=ME, drivers=[YOU], budget="x"), "budget must be"),
        (lambda pipe: pipe.generate_batch(sources=ME, drivers=[YOU], batch_size=0), "batch_size 0"),
    ],
)
def test_pairs_that_cannot_be_used(
    faces: FacesPipeline, call: Callable[[FacesPipeline], object], words: str
) -> None:
    with pytest.raises(InputError, match=words):
        call(faces)
