"""One rule for what is shown of a picture: training, own data and reading agree."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from tiny import CLASSES

from fiancee_hub.families.label_maps.classes import to_rgb
from fiancee_hub.families.label_maps.framing import CUT_AT_THE_TOP, framing_notes, window
from fiancee_hub.families.label_maps.reading import read_label_map
from fiancee_hub.families.label_maps.training.class_table import TABLE, ClassTable
from fiancee_hub.families.label_maps.training.photographs import DataFolder

SIZE = (64, 96)


@pytest.mark.parametrize("shape", [(64, 96), (65, 96), (128, 96), (300, 96), (64, 200), (47, 300)])
def test_reading_and_training_show_the_same_part(shape: tuple[int, int], tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    ids = random.integers(0, len(CLASSES), shape, dtype=np.uint8)
    for folder in ("labels", "images", "splits"):
        (tmp_path / folder).mkdir()
    (tmp_path / TABLE).write_text(ClassTable(CLASSES).to_json())
    (tmp_path / "splits" / "photos.txt").write_text("one\n")
    Image.fromarray(ids).save(tmp_path / "labels" / "one.png")
    data = DataFolder(tmp_path)
    trained = data.label_maps("photos", SIZE)[0].numpy()
    for source in (ids, Image.fromarray(ids), to_rgb(ids, CLASSES)):
        assert np.array_equal(read_label_map(source, CLASSES, SIZE).ids, trained)


@pytest.mark.parametrize("shape", [(128, 96), (64, 200)])
def test_photographs_show_what_their_maps_show(shape: tuple[int, int], tmp_path: Path) -> None:
    ids = np.zeros(shape, np.uint8)
    left, top, right, bottom = window(*shape, SIZE)
    ids[top:bottom, left:right] = 3
    for folder in ("labels", "images", "splits"):
        (tmp_path / folder).mkdir()
    (tmp_path / TABLE).write_text(ClassTable(CLASSES).to_json())
    (tmp_path / "splits" / "photos.txt").write_text("one\n")
    Image.fromarray(ids).save(tmp_path / "labels" / "one.png")
    Image.fromarray(ids * 80).convert("RGB").save(tmp_path / "images" / "one.jpg", quality=95)
    data = DataFolder(tmp_path)
    assert (data.label_maps("photos", SIZE) == 3).all()
    inner = data.images("photos", SIZE)[..., 12:-12, 12:-12]
    assert (inner > 200).all()


@given(st.integers(8, 400), st.integers(8, 400))
def test_the_lower_middle_is_kept(height: int, width: int) -> None:
    left, top, right, bottom = window(height, width, SIZE)
    assert 0 <= left < right <= width and 0 <= top < bottom <= height
    assert abs(left - (width - right)) <= 1
    assert top == pytest.approx((height - bottom + top) * CUT_AT_THE_TOP, abs=0.5)
    assert (left, right) == (0, width) or (top, bottom) == (0, height)


def test_notes_say_what_is_left_out() -> None:
    assert framing_notes(164, 96, SIZE)[0] == (
        "Cut to the model's aspect: 70 pixels at the top and 30 pixels at the bottom left out."
    )
    assert framing_notes(*SIZE, SIZE) == ()
