"""Faces far away, beside larger ones, and the one that a clip follows."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from demo_fixtures import save_face_checkpoint
from PIL import Image

from fiancee_hub.core.errors import InputError
from fiancee_hub.families.faces.landmarks.landmarker import FaceLandmarker, _parts, _sides
from fiancee_hub.families.faces.landmarks.motion import Motion
from fiancee_hub.families.faces.photos import _square
from fiancee_hub.families.faces.pipeline import FacesPipeline

EXAMPLES = Path(__file__).parents[2] / "space" / "examples" / "faces"
SQUARE = (0, 0, 256, 256)
FACE = 0.56
"""Size of an example's face over its side."""


@pytest.fixture(scope="module")
def landmarker() -> FaceLandmarker:
    return FaceLandmarker()


@pytest.fixture(scope="module")
def pipe(tmp_path_factory: pytest.TempPathFactory) -> FacesPipeline:
    loaded = FacesPipeline.from_pretrained(save_face_checkpoint(tmp_path_factory.mktemp("faces")))
    assert isinstance(loaded, FacesPipeline)
    return loaded


def example(name: str) -> Image.Image:
    with Image.open(EXAMPLES / f"{name}.jpg") as picture:
        return picture.convert("RGB")


def scene(size: tuple[int, int], *faces: tuple[str, int, tuple[int, int]]) -> Image.Image:
    """Persons (name, size of the face, corner) in front of a wall."""
    canvas = Image.new("RGB", size, (150, 170, 190))
    for name, height, corner in faces:
        side = round(height / FACE)
        canvas.paste(example(name).resize((side, side), Image.Resampling.LANCZOS), corner)
    return canvas


@pytest.mark.parametrize("size", [52, 64, 90, 130])
def test_small_faces_of_a_large_photograph_are_all_found(
    size: int, landmarker: FaceLandmarker
) -> None:
    persons = ("london_008_neutral", "london_107_smile")
    places = [(persons[k % 2], size, (100 + k * 370, 300 + 60 * k)) for k in range(4)]
    found = landmarker(scene((1800, 1200), *places))
    assert len(found) == 4
    assert all(abs(face.size - size) < 0.15 * size for face in found)
    lefts = sorted(float(face.box[0]) for face in found)
    assert np.allclose(np.diff(lefts), 370, atol=10)


def test_a_small_face_beside_a_large_one_is_offered(pipe: FacesPipeline) -> None:
    both = scene(
        (1500, 1000),
        ("london_008_neutral", 330, (50, 100)),
        ("london_107_smile", 66, (1200, 700)),
    )
    sizes = [face.size for face in pipe.faces(both)]
    assert len(sizes) == 2 and sizes[0] > 300 > 80 > sizes[1] > 60
    assert len(pipe.landmarker(both, every=False)) == 1
    source = pipe.encode(both, face=1)
    assert source.crop.box[0] > 1100
    known = pipe.faces(both)
    assert pipe.encode(both, face=1, faces=known).crop.box == source.crop.box
    assert pipe.encode(both).crop.box[2] < 800
    with pytest.raises(InputError, match="has 0 to 1"):
        pipe.encode(both, face=2)


def test_every_face_that_is_offered_can_be_chosen(pipe: FacesPipeline) -> None:
    both = scene(
        (1000, 700),
        ("london_008_neutral", 330, (50, 50)),
        ("london_107_smile", 54, (800, 500)),
    )
    small = pipe.faces(both)[1]
    assert 48 <= small.size < 64
    notes = pipe.encode(both, face=1).notes
    assert any("soft" in note for note in notes)
    assert any("below 64 results get worse" in note for note in notes)
    assert not any("below 64" in note for note in pipe.encode(both).notes)


@pytest.mark.parametrize("face", ["1", 1.0, None, [0], True, -1, 5])
def test_a_face_that_is_none_is_named(face: Any, pipe: FacesPipeline) -> None:
    picture = example("london_008_neutral")
    source = pipe.encode(picture)
    assert pipe.encode(picture, face=np.int64(0)).crop.box == source.crop.box  # type: ignore[arg-type]
    with pytest.raises(InputError, match="face"):
        pipe.encode(picture, face=face)
    with pytest.raises(InputError, match="face"):
        pipe.encode(picture, face=face, box=(0, 0, 256, 256))
    if face == 5:  # the frame may be the one that shows fewer
        (frame,) = pipe.animate(source=source, frames=[picture], face=face)
        assert frame.problem == "There is no face 5: the picture has 0 to 0"
    else:
        with pytest.raises(InputError, match="face"):
            list(pipe.animate(source=source, frames=[picture], face=face))


@pytest.mark.parametrize(
    "box", [(0, 0, 256), "box", None, 5, (0, 0, "a", 256), (None,) * 4, (np.nan,) * 4, (0, 0, 9, 8)]
)
def test_a_box_that_is_none_is_named(box: Any) -> None:
    with pytest.raises(InputError, match="box"):
        _square(box)
    assert _square(np.array([0, 0, 256, 256])) == _square([0.0, 0.2, 256.0, 256.2]) == SQUARE


def test_only_a_result_is_pasted_into_a_source(pipe: FacesPipeline) -> None:
    picture: Any = example("london_008_neutral")
    wrong: Any = "a.png"
    for source, image in ((picture, picture), (pipe.encode(picture), wrong)):
        with pytest.raises(InputError, match="paste takes what encode returned"):
            pipe.paste(source, image)


def test_a_large_face_is_one_face(landmarker: FaceLandmarker) -> None:
    (face,) = landmarker(example("london_008_smile").resize((1400, 1400)))
    assert face.size > 700


def test_squares_cover_the_picture_and_every_size() -> None:
    for longer in (100, 320, 321, 5000):
        sides = [longer, *_sides(longer, 48)]
        assert all(larger / smaller < 2.01 for larger, smaller in pairwise(sides))
        assert sides[-1] <= 320 or longer <= 320
    covered = np.zeros((700, 1000), int)
    for left, top, right, bottom in _parts((1000, 700), 320):
        assert 0 <= left < right <= 1000 and 0 <= top < bottom <= 700
        covered[top:bottom, left:right] += 1
    assert covered.min() >= 1
    assert sum(1 for _ in _parts((8660, 5770), 320)) < 1100


def test_a_clip_follows_the_person_it_began_with(pipe: FacesPipeline) -> None:
    """The second person comes nearer and becomes the largest."""

    def frame(other: int, shift: int) -> Image.Image:
        persons = (
            ("london_008_neutral", 120, (20 + shift, 60)),
            ("london_107_smile", other, (300, 20)),
        )
        return scene((640, 400), *persons)

    frames = [frame(90, 0), frame(130, 8), Image.new("RGB", (640, 400)), frame(150, 16)]
    followed = [motion for motion, _ in pipe.motions(frames)]
    assert followed[2] is None
    alone = pipe.motion(frame(90, 0))
    other = pipe.motion(frame(150, 16))
    last = followed[3]
    assert last is not None

    def distance(first: Motion, second: Motion) -> float:
        return float(np.abs(first.expression - second.expression).mean())

    assert distance(last, alone) < 0.3 * distance(last, other)
    chosen, _ = next(pipe.motions(frames, face=1))
    assert chosen is not None and distance(chosen, other) < distance(chosen, alone)


def test_motions_that_are_known_are_passed_on(pipe: FacesPipeline) -> None:
    known = pipe.motion(example("london_008_neutral"))
    assert [motion for motion, _ in pipe.motions([known, known])] == [known, known]
    read = [(known, ""), (None, "nobody")]
    assert list(pipe.motions(pipe.motions(read))) == read
    source = pipe.encode(example("london_008_neutral"))
    first, second = pipe.animate(source=source, frames=pipe.motions(read), exit=1)
    assert first.result is not None and not first.problem
    assert second.result is None and second.problem == "nobody"


def test_a_crop_drives_as_its_photograph_does(pipe: FacesPipeline) -> None:
    photo = scene((900, 900), ("london_107_smile", 300, (170, 128)))
    source = pipe.encode(example("london_008_neutral"))
    _, crop = pipe.read(photo)
    first, second = (pipe(source=source, driver=driver).image for driver in (photo, crop))
    assert first.tobytes() == second.tobytes()
