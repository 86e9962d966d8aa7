"""Clips of every container: orientation, timing, sound; and the formats that are written."""

import io
import struct
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from colour_profiles import DISPLAY_P3, rgb_profile
from PIL import Image

from fiancee_hub.core.errors import InputError, OutputError
from fiancee_hub.core.marking import DESCRIPTION, GENERATED, MARK
from fiancee_hub.families.faces import clips, films
from fiancee_hub.families.faces.clips import (
    RATE,
    Sound,
    checked_fps,
    moves,
    opened_frames,
    read_clip,
    read_sound,
)
from fiancee_hub.families.faces.films import check_clip_name, write_clip

av = pytest.importorskip("av")

CORNERS = ((200, 20, 20), (20, 180, 20), (20, 20, 200), (200, 200, 20))
"""Colours of the upper left, upper right, lower left and lower right quarter."""


def quarters(size: tuple[int, int] = (96, 64)) -> Image.Image:
    picture = Image.new("RGB", size)
    middle = size[0] // 2, size[1] // 2
    boxes = ((0, 0), (middle[0], 0), (0, middle[1]), middle)
    for colour, corner in zip(CORNERS, boxes, strict=True):
        picture.paste(colour, (*corner, corner[0] + middle[0], corner[1] + middle[1]))
    return picture


def corners(picture: Image.Image) -> list[int]:
    """Which of the quarters' colours stand in the upper left, upper right, and so on."""
    found = []
    for x, y in ((0.2, 0.2), (0.8, 0.2), (0.2, 0.8), (0.8, 0.8)):
        pixel: Any = picture.getpixel((int(x * picture.width), int(y * picture.height)))
        distances = [np.abs(np.subtract(pixel, colour)).sum() for colour in CORNERS]
        found.append(int(np.argmin(distances)))
    return found


def shaded(count: int, size: tuple[int, int] = (64, 64)) -> list[Image.Image]:
    return [Image.new("RGB", size, (20 + 8 * index,) * 3) for index in range(count)]


def shades(frames: Any) -> list[int]:
    return [round((np.asarray(frame)[30, 30].mean() - 20) / 8) for frame in frames]


def tone(seconds: float, loud_from: float = 0.0) -> Sound:
    """Silence, and from a moment on a tone."""
    time = np.arange(round(seconds * RATE)) / RATE
    wave = 12_000 * np.sin(2 * np.pi * 440 * time) * (time >= loud_from)
    return Sound(np.repeat(np.rint(wave).astype(np.int16)[:, None], 2, 1))


# Orientation


def with_matrix(path: Path, a: int, b: int, c: int, d: int) -> None:
    """Writes another display matrix into an MP4's track header."""
    one = 0x10000
    upright = struct.pack(">9i", one, 0, 0, 0, one, 0, 0, 0, 0x40000000)
    wanted = struct.pack(">9i", a * one, b * one, 0, c * one, d * one, 0, 0, 0, 0x40000000)
    data = path.read_bytes()
    place = data.index(upright, data.index(b"tkhd"))
    path.write_bytes(data[:place] + wanted + data[place + len(upright) :])


@pytest.mark.parametrize(
    ("matrix", "expected"),
    [
        ((1, 0, 0, 1), [0, 1, 2, 3]),
        ((-1, 0, 0, 1), [1, 0, 3, 2]),
        ((1, 0, 0, -1), [2, 3, 0, 1]),
        ((-1, 0, 0, -1), [3, 2, 1, 0]),
        ((0, 1, -1, 0), [2, 0, 3, 1]),  # clockwise
        ((0, -1, 1, 0), [1, 3, 0, 2]),
        ((0, 1, 1, 0), [0, 2, 1, 3]),  # mirrored at the diagonal
        ((0, -1, -1, 0), [3, 1, 2, 0]),
    ],
)
def test_all_eight_orientations_are_shown_as_players_do(
    matrix: tuple[int, int, int, int], expected: list[int], tmp_path: Path
) -> None:
    write_clip([quarters()] * 2, 10, tmp_path / "clip.mp4")
    with_matrix(tmp_path / "clip.mp4", *matrix)
    frame = next(read_clip(tmp_path / "clip.mp4").frames)
    assert corners(frame) == expected
    assert frame.size == ((64, 96) if matrix[0] == 0 else (96, 64))


def test_animations_are_turned_as_their_exif_data_says(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / "clip.webp"
    frames = [quarters(), quarters()]
    frames[1].putpixel((0, 0), (0, 0, 0))
    frames[0].save(path, save_all=True, append_images=frames[1:], exif=exif, lossless=True)
    frame = next(read_clip(path).frames)
    assert frame.size == (64, 96) and corners(frame) == [2, 0, 3, 1]


def test_pixels_that_are_not_square_are_stretched(tmp_path: Path) -> None:
    path = tmp_path / "wide.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", 10)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(4, 3)
        for _ in range(2):
            container.mux(stream.encode(av.VideoFrame.from_image(quarters())))
        container.mux(stream.encode())
    assert next(read_clip(path).frames).size == (128, 64)


# Kinds


def written(kind: str, folder: Path) -> Path:
    """A clip of 10 frames in a second in a file without an ending."""
    path = folder / f"clip.{kind}"
    if kind == "avi":
        with av.open(str(path), "w", format="avi") as container:
            stream = container.add_stream("mpeg4", 10)
            stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
            stream.options = {"qscale": "1", "flags": "qscale"}
            for picture in shaded(10):
                container.mux(stream.encode(av.VideoFrame.from_image(picture)))
            container.mux(stream.encode())
    elif kind == "avif":
        first, *others = shaded(10)
        first.save(path, "AVIF", save_all=True, append_images=others, duration=100, quality=95)
    else:
        write_clip(shaded(10), 10, path)
    return path.rename(folder / "clip")


@pytest.mark.parametrize(
    "kind", ["mp4", "m4v", "mov", "mkv", "webm", "avi", "gif", "webp", "png", "apng", "avif"]
)
def test_a_clip_is_one_by_what_it_holds(kind: str, tmp_path: Path) -> None:
    path = written(kind, tmp_path)
    assert moves(path)
    clip = read_clip(path)
    assert clip.fps == pytest.approx(10, rel=0.01) and clip.count == 10
    assert shades(clip.frames) == list(range(10))


def test_pictures_and_others_do_not_move(tmp_path: Path) -> None:
    picture = quarters()
    for kind in ("png", "webp", "gif", "jpg", "avif"):
        picture.save(tmp_path / f"a.{kind}")
        assert not moves(tmp_path / f"a.{kind}")
        with pytest.raises(InputError, match="is a single picture"):
            read_clip(tmp_path / f"a.{kind}")
    # Phones store a second picture for depth or light in one file.
    picture.save(tmp_path / "phone.jpg", "MPO", save_all=True, append_images=[picture])
    (tmp_path / "text").write_text("words")
    (tmp_path / "paper").write_bytes(b"%PDF-1.7")
    for name in ("phone.jpg", "text", "paper", "nothing"):
        assert not moves(tmp_path / name)
    with pytest.raises(InputError, match="is a PDF document where a clip is needed"):
        read_clip(tmp_path / "paper")


# Timing


def test_variable_rates_keep_their_timing(tmp_path: Path) -> None:
    """Ten frames a second, a frame that stands for a second, and so on."""
    path = tmp_path / "clip.mkv"
    begins = [0.0, 0.1, 0.2, 0.3, 1.3, 1.4, 1.5, 1.6, 1.7]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", 10)
        stream.width = stream.height = 64
        stream.pix_fmt, stream.options = "yuv420p", {"crf": "10", "bf": "0"}
        stream.codec_context.time_base = Fraction(1, 1000)
        for second, picture in zip(begins, shaded(9), strict=True):
            frame = av.VideoFrame.from_image(picture)
            frame.pts, frame.time_base = round(1000 * second), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    clip = read_clip(path)
    assert (round(clip.fps), clip.count) == (10, 18)
    assert shades(clip.frames) == [0, 1, 2, *[3] * 10, 4, 5, 6, 7, 8]


def test_frames_that_avi_stores_in_another_order_come_in_theirs(tmp_path: Path) -> None:
    path = tmp_path / "clip.avi"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", 10)
        stream.width = stream.height = 64
        stream.pix_fmt, stream.options = "yuv420p", {"crf": "10", "bf": "3"}
        for picture in shaded(12):
            container.mux(stream.encode(av.VideoFrame.from_image(picture)))
        container.mux(stream.encode())
    assert shades(read_clip(path).frames) == list(range(12))


# Damage


def test_a_title_in_another_encoding_does_no_harm(tmp_path: Path) -> None:
    write_clip(shaded(4), 10, tmp_path / "clip.mp4", comment="Caf\u00e9")
    content = (tmp_path / "clip.mp4").read_bytes()
    assert content.count("Caf\u00e9".encode()) == 1
    with opened_frames(content.replace("Caf\u00e9".encode(), b"Caf\xe9.")) as clip:
        assert shades(clip.frames) == [0, 1, 2, 3]


def test_a_video_that_ends_anywhere_is_read_or_refused(tmp_path: Path) -> None:
    """Its head is at its end: in what is left of it a stream may have no codec."""
    with av.open(str(tmp_path / "clip.mp4"), "w") as container:
        stream = container.add_stream("libx264", 10)
        stream.width = stream.height = 64
        for picture in shaded(4):
            container.mux(stream.encode(av.VideoFrame.from_image(picture)))
        container.mux(stream.encode())
    content = (tmp_path / "clip.mp4").read_bytes()
    refused = set()
    for end in range(content.index(b"moov") + 8, len(content), 16):
        try:
            with opened_frames(content[:end]) as clip:
                assert list(clip.frames)
        except InputError as error:
            refused.add(str(error))
    assert "The file is truncated, or of an unknown codec: save it again as MP4, WebM or GIF" in (
        refused
    )


# Sound


@pytest.mark.parametrize("kind", ["mp4", "mov", "mkv", "webm"])
def test_sound_stays_with_its_pictures(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"clip.{kind}"
    write_clip(shaded(20), 10, path, sound=tone(2.0, 1.0))
    with av.open(str(path)) as container:
        assert [stream.type for stream in container.streams] == ["video", "audio"]
        assert container.duration / 1e6 == pytest.approx(2.0, abs=0.1)
    heard = read_sound(path, read_clip(path))
    assert heard is not None and len(heard.samples) == 2 * RATE
    loudness = np.abs(heard.samples.astype(int)).reshape(20, -1).mean(1)
    assert loudness[:9].max() < 300 < 5000 < loudness[11:19].min()


def test_sound_that_begins_before_the_pictures_is_cut(tmp_path: Path) -> None:
    path = tmp_path / "clip.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", 10)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        sound = container.add_stream("pcm_s16le", RATE)
        sound.layout = "stereo"
        container.mux(sound.encode(tone(2.0, 1.0).frame(0, 2 * RATE)))
        for index, picture in enumerate(shaded(10)):
            frame = av.VideoFrame.from_image(picture)
            frame.pts, frame.time_base = 10 + index, Fraction(1, 10)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        container.mux(sound.encode())
    clip = read_clip(path)
    heard = read_sound(path, clip)
    assert heard is not None and clip.start == pytest.approx(1.0, abs=0.01)
    assert np.abs(heard.samples[: RATE // 10].astype(int)).mean() > 5000


def test_silent_clips_and_animations_have_no_sound(tmp_path: Path) -> None:
    for kind in ("mp4", "gif"):
        path = tmp_path / f"clip.{kind}"
        write_clip(shaded(5), 10, path, sound=tone(0.5) if kind == "gif" else None)
        assert read_sound(path, read_clip(path)) is None
        assert films.holds_sound(path) == (kind == "mp4")


# Formats and marks


@pytest.mark.parametrize("kind", ["mp4", "m4v", "mov", "mkv", "webm"])
def test_videos_are_what_their_name_says_and_marked(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"clip.{kind}"
    write_clip(shaded(4), 10, path)
    with av.open(str(path)) as container:
        known = container.format.name.split(",")
        notes = {key.lower(): value for key, value in container.metadata.items()}
        brand = notes.get("major_brand", "").strip()
    expected = {"mkv": "matroska", "m4v": "mp4"}.get(kind, kind)
    assert expected in known and notes["comment"] == MARK
    assert (brand == "qt") == (kind == "mov")


@pytest.mark.parametrize(
    ("kind", "format"), [("gif", "GIF"), ("webp", "WEBP"), ("png", "PNG"), ("apng", "PNG")]
)
def test_animations_are_what_their_name_says_and_marked(
    kind: str, format: str, tmp_path: Path
) -> None:
    path = tmp_path / f"clip.{kind}"
    write_clip(shaded(8), 24, path)
    with Image.open(path) as picture:
        assert picture.format == format
        if kind == "gif":
            assert picture.info["comment"] == MARK.encode()
        elif kind == "webp":
            assert picture.getexif()[DESCRIPTION] == MARK
        else:
            assert picture.info[GENERATED] == MARK
    clip = read_clip(path)
    assert clip.count / clip.fps == pytest.approx(8 / 24, abs=0.02)


def test_fast_animations_keep_their_length(tmp_path: Path) -> None:
    write_clip(shaded(24), 60, tmp_path / "clip.gif")
    with Image.open(tmp_path / "clip.gif") as picture:
        shown = []
        for index in range(getattr(picture, "n_frames", 1)):
            picture.seek(index)
            shown.append(picture.info["duration"])
    assert min(shown) >= 20 and sum(shown) == pytest.approx(400, abs=10)


@pytest.mark.parametrize("name", ["clip.jpg", "clip.avi", "clip", "clip.v1", ".mp4"])
def test_names_of_no_format_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="names no format that clips are written in"):
        check_clip_name(name)
    with pytest.raises(InputError, match="names no format"):
        write_clip(shaded(2), 10, tmp_path / name)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", ["mp4", "gif"])
def test_an_older_clip_survives_a_failed_writing(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / f"clip.{kind}"
    write_clip(shaded(3), 10, path)
    before = path.read_bytes()

    def short(partial: Path, content: bytes) -> int:
        with partial.open("wb") as file:
            return file.write(content[: len(content) // 2])

    # What a full disk leaves: half of the bytes, and no word.
    monkeypatch.setattr(Path, "write_bytes", short)
    monkeypatch.setattr(films, "_encode", lambda frames, fps, partial, *_: _half(before, partial))
    with pytest.raises(OutputError):
        write_clip(shaded(3), 10, path)
    monkeypatch.undo()
    assert path.read_bytes() == before
    assert [found.name for found in tmp_path.iterdir()] == [path.name]


def _half(content: bytes, partial: Path) -> None:
    with partial.open("wb") as file:
        file.write(content[: len(content) * 9 // 10])


def test_a_damaged_sound_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "clip.mp4"
    write_clip(shaded(5), 10, path, sound=tone(0.5))

    def broken(container: Any) -> Any:
        raise av.InvalidDataError(1, "broken")

    monkeypatch.setattr(clips, "_heard", broken)
    with pytest.raises(InputError, match=r"The sound of clip\.mp4 cannot be decoded"):
        read_sound(path, read_clip(path))


def test_colours_of_an_animation_are_converted(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (8, 8), (214, 170, shade)) for shade in (148, 149)]
    path = tmp_path / "clip.png"
    profile = rgb_profile(DISPLAY_P3)
    frames[0].save(path, save_all=True, append_images=frames[1:], icc_profile=profile)
    frame = next(read_clip(path).frames)
    assert frame.getpixel((4, 4)) == pytest.approx((220, 169, 145), abs=2)
    assert "icc_profile" not in frame.info


@pytest.mark.parametrize("fps", [np.float32(12), np.int64(12), torch.tensor(12.0), Fraction(12)])
def test_numbers_of_other_libraries_are_frames_a_second(fps: Any, tmp_path: Path) -> None:
    write_clip([quarters(), Image.new("RGB", (96, 64))] * 3, 24, tmp_path / "a.gif")
    assert read_clip(tmp_path / "a.gif", fps=fps).fps == checked_fps(fps) == 12.0


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"fps": "8"}, "fps must be a number such as 25, not str"),
        ({"fps": [8]}, "fps must be a number such as 25, not list"),
        ({"fps": 61}, "fps 61 is out of range: give frames a second up to 60"),
        ({"fps": float("nan")}, "fps nan is out of range"),
        ({"max_seconds": None}, "max_seconds must be a number such as 30, not NoneType"),
        ({"max_seconds": "8"}, "max_seconds must be a number such as 30, not str"),
        ({"max_seconds": float("nan")}, "max_seconds nan is out of range: give more than 0"),
        ({"max_seconds": 0}, "max_seconds 0 is out of range: give more than 0"),
        ({"path": None}, "path must be one path, not NoneType"),
        ({"path": ["a.gif"]}, "path must be one path, not list"),
    ],
)
def test_wrong_arguments_of_a_clip_are_named(
    arguments: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    write_clip([quarters(), Image.new("RGB", (96, 64))], 10, tmp_path / "a.gif")
    with pytest.raises(InputError, match=reason):
        read_clip(**{"path": tmp_path / "a.gif", **arguments})


@pytest.mark.parametrize("name", ["a.mp4", "a.gif"])
@pytest.mark.parametrize("fps", [0, -1, float("nan"), "8", None])
def test_wrong_rates_are_named_before_anything_is_written(
    name: str, fps: Any, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="fps"):
        write_clip(shaded(2), fps, tmp_path / name)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["a.mp4", "a.gif"])
def test_frames_of_several_sizes_are_named(name: str, tmp_path: Path) -> None:
    frames = [*shaded(2), *shaded(1, (64, 32))]
    with pytest.raises(InputError, match="Frame 3 has 64x32 pixels, the first 64x64"):
        write_clip(frames, 10, tmp_path / name)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", ["gif", "webp", "png"])
def test_an_animation_of_endless_pixels_is_refused_before_it_is_decoded(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / f"a.{kind}"
    write_clip(shaded(3), 10, path)
    monkeypatch.setattr(clips, "MOST_MOVING", 2 * 64 * 64)
    monkeypatch.setattr(clips, "_shown", pytest.fail)
    with pytest.raises(InputError, match="has 3 frames of 64x64 pixels, more than"):
        read_clip(path)


def test_what_can_be_no_video_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="2x2 pixels or larger"):
        write_clip([Image.new("RGB", (1, 9))], 10, tmp_path / "a.mp4")
    write_clip(shaded(2), 10, tmp_path / "b.mp4")
    with pytest.raises(InputError, match="There is no file"):
        read_sound(tmp_path / "a.mp4", read_clip(tmp_path / "b.mp4"))


def test_frames_come_in_every_form(tmp_path: Path) -> None:
    path = tmp_path / "a.gif"
    write_clip(shaded(4), 10, path)
    content = path.read_bytes()
    with path.open("rb") as opened:
        forms: tuple[Any, ...] = (
            *(path, str(path), content, bytearray(content), memoryview(content)),
            *(io.BytesIO(content), opened),
        )
        for form in forms:
            with opened_frames(form) as clip:
                assert (clip.fps, clip.count) == (10, 4)
                assert shades(clip.frames) == [0, 1, 2, 3]
    pictures = shaded(3)
    with opened_frames(pictures) as clip:
        assert (clip.frames, clip.fps, clip.count) == (pictures, None, 3)
    with opened_frames(iter(pictures)) as clip:
        assert (clip.fps, clip.count) == (None, None)


@pytest.mark.parametrize(
    ("form", "reason"),
    [
        ("nowhere.mp4", "There is no file .*nowhere.mp4: check the path"),
        (b"", "The file is an empty file where a clip is needed"),
        (b"%PDF-1.7", "The file is a PDF document where a clip is needed"),
        (io.StringIO("frames"), 'open it with mode "rb"'),
        (None, "frames must be a list of pictures or a clip, not NoneType"),
        (3, "frames must be a list of pictures or a clip, not int"),
        (Image.new("RGB", (9, 9)), "frames must be a list of pictures or a clip, not Image"),
    ],
)
def test_what_has_no_frames_is_named(form: Any, reason: str) -> None:
    with pytest.raises(InputError, match=reason), opened_frames(form):
        pass
