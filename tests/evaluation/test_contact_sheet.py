"""Contact sheets: what stands where, and how large a file becomes."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from fiancee_hub.measuring.contact_sheet import contact_sheet, save_contact_sheet


def flat(colour: tuple[int, int, int], count: int) -> torch.Tensor:
    return torch.tensor(colour, dtype=torch.uint8).view(1, 3, 1, 1).expand(count, 3, 48, 64)


def test_columns_stand_side_by_side_in_order() -> None:
    sheet = contact_sheet(
        {"map": flat((200, 0, 0), 3), "full depth": flat((0, 200, 0), 3)}, picture_width=64
    )
    pixels = np.asarray(sheet)
    assert tuple(pixels[-20, sheet.width // 4]) == (200, 0, 0)
    assert tuple(pixels[-20, sheet.width * 3 // 4]) == (0, 200, 0)
    assert sheet.height > 3 * 48


def test_headings_are_drawn_above_the_pictures() -> None:
    named = contact_sheet({"full depth": flat((9, 9, 9), 1)}, picture_width=64)
    unnamed = contact_sheet({"": flat((9, 9, 9), 1)}, picture_width=64)
    rows = np.flatnonzero((np.asarray(named) != np.asarray(unnamed)).any((1, 2)))
    assert len(rows) > 0
    assert rows.max() < named.height - 48


def test_signed_tensors_and_pictures_look_like_bytes() -> None:
    colour = (255, 0, 128)
    bytes_ = flat(colour, 2)
    sheets = [
        contact_sheet({"a": column})
        for column in (bytes_, bytes_ / 127.5 - 1, [Image.new("RGB", (64, 48), colour)] * 2)
    ]
    for sheet in sheets[1:]:
        np.testing.assert_array_equal(np.asarray(sheet), np.asarray(sheets[0]))


def test_columns_of_different_length_are_refused() -> None:
    with pytest.raises(ValueError, match="equally long"):
        contact_sheet({"a": flat((0, 0, 0), 2), "b": flat((0, 0, 0), 3)})
    with pytest.raises(ValueError, match="equally long"):
        contact_sheet({})


@pytest.mark.parametrize("name", ["sheet.jpg", "sheet.png"])
def test_the_file_keeps_its_limit(tmp_path: Path, name: str) -> None:
    noise = torch.randint(256, (2, 3, 96, 128), dtype=torch.uint8)
    sheet = contact_sheet({"noise": noise, "again": noise})
    save_contact_sheet(sheet, tmp_path / name, limit=40_000)
    assert (tmp_path / name).stat().st_size <= 40_000
    with Image.open(tmp_path / name) as image:
        assert image.width / image.height == pytest.approx(sheet.width / sheet.height, rel=0.05)
