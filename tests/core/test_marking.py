"""Generated pictures: the ending says the format, all are marked, older ones survive."""

import errno
import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from colour_profiles import DISPLAY_P3, rgb_profile
from PIL import Image
from tiny import random_map

from fiancee_hub import InputError, StreetsPipeline
from fiancee_hub.core.errors import OutputError
from fiancee_hub.core.marking import (
    DESCRIPTION,
    FORMATS,
    GENERATED,
    MARK,
    picture_format,
    save_picture,
)

PICTURE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8))


def mark_of(path: Path) -> str | None:
    with Image.open(path) as picture:
        return picture.info.get(GENERATED) or picture.getexif().get(DESCRIPTION)


@pytest.mark.parametrize("ending", [*FORMATS, ".JPG", ".Png"])
def test_the_ending_says_the_format_and_the_picture_is_marked(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"picture{ending}"
    save_picture(PICTURE, path)
    with Image.open(path) as saved:
        assert saved.format == FORMATS[ending.lower()] and saved.size == PICTURE.size
    assert mark_of(path) == MARK


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("a.bmp", "lose the note that the picture is generated: end its name in .png"),
        ("a.gif", "lose the note"),
        ("a.pdf", "lose the note"),
        ("results.v1", "names no picture format"),
        ("a", "names no picture format"),
        (".png", "names no picture format"),
        ("a.mp4", "names no picture format"),
    ],
)
def test_other_endings_are_refused(name: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=words):
        picture_format(name)
    with pytest.raises(InputError, match=words):
        save_picture(PICTURE, tmp_path / name)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("ending", FORMATS)
def test_only_pixels_and_the_mark_are_saved(ending: str, tmp_path: Path) -> None:
    picture = PICTURE.copy()
    exif = Image.Exif()
    exif[0x0112] = 6
    picture.info |= {"icc_profile": rgb_profile(DISPLAY_P3), "exif": exif.tobytes(), "comment": "x"}
    save_picture(picture, tmp_path / f"a{ending}")
    with Image.open(tmp_path / f"a{ending}") as saved:
        assert "icc_profile" not in saved.info
        assert saved.getexif().get(0x0112, 1) == 1 and "comment" not in saved.info


@pytest.mark.parametrize("ending", FORMATS)
def test_a_full_disk_leaves_the_older_picture(
    ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / f"a{ending}"
    save_picture(PICTURE, path)
    before = path.read_bytes()

    def short(partial: Path, content: bytes) -> int:
        with partial.open("wb") as file:
            return file.write(content[:100])

    monkeypatch.setattr(Path, "write_bytes", short)
    with pytest.raises(OutputError, match="check the free space"):
        save_picture(Image.new("RGB", (64, 64)), path)
    monkeypatch.undo()
    assert path.read_bytes() == before and os.listdir(tmp_path) == [path.name]


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"there is no folder .*nowhere: create it"):
        save_picture(PICTURE, tmp_path / "nowhere" / "a.png")


def test_results_and_comparisons_save_themselves(pipeline: StreetsPipeline, tmp_path: Path) -> None:
    result = pipeline(random_map(1), seed=3)
    result.save(tmp_path / "result.png")
    with Image.open(tmp_path / "result.png") as saved:
        assert np.array_equal(np.asarray(saved), np.asarray(result.image))
    comparison = pipeline.compare(random_map(1), budget=1.0)
    comparison.save(str(tmp_path / "both.jpg"))
    comparison.save(tmp_path / "three.webp", {"label map": result.image})
    widths = []
    for name in ("result.png", "both.jpg", "three.webp"):
        assert mark_of(tmp_path / name) == MARK
        with Image.open(tmp_path / name) as saved:
            widths.append(saved.width)
    assert widths[2] > widths[1] > 2 * widths[0]
    for made in (result, comparison):
        with pytest.raises(InputError, match="lose the note"):
            made.save(tmp_path / "a.bmp")


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (errno.ENOSPC, "no room left for .*a.png"),
        (errno.EROFS, "a.png could not be written"),
    ],
)
def test_what_the_system_says_becomes_one_sentence(
    code: int, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(partial: Path, content: bytes) -> int:
        raise OSError(code, os.strerror(code), str(partial))

    monkeypatch.setattr(Path, "write_bytes", refused)
    with pytest.raises(OutputError, match=words) as caught:
        save_picture(PICTURE, tmp_path / "a.png")
    assert not list(tmp_path.iterdir())
    # Room helps where room is missing; no older file is promised where there was none.
    assert ("room" in str(caught.value)) == (code != errno.EROFS)
    assert "older file" not in str(caught.value)


def test_a_folder_in_the_way_asks_for_another_place(tmp_path: Path) -> None:
    (tmp_path / "a.png").mkdir()
    with pytest.raises(OutputError, match=r"\(Is a directory\): choose another place$"):
        save_picture(PICTURE, tmp_path / "a.png")


@pytest.mark.parametrize("path", [None, 3, ["a.png"], io.BytesIO()])
def test_a_place_that_is_no_path_is_named(path: Any) -> None:
    with pytest.raises(InputError, match="path must be one path, not"):
        save_picture(PICTURE, path)
