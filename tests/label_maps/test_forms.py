"""Class ids or class colours: the reading that fits is taken, said, and can be chosen."""

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from colour_profiles import DISPLAY_P3, rgb_profile
from numpy.typing import NDArray
from PIL import Image, ImageCms

from fiancee_hub.core.errors import InputError
from fiancee_hub.families.label_maps.classes import ClassEntry, to_palette_image, to_rgb
from fiancee_hub.families.label_maps.forms import Reading
from fiancee_hub.families.label_maps.palettes import voc_colour
from fiancee_hub.families.label_maps.reading import LabelMap, read_label_map

SIZE = (24, 32)
CLASSES = tuple(
    ClassEntry(index, name, colour)
    for index, (name, colour) in enumerate(
        {
            "sky": (128, 128, 128),
            "building": (128, 0, 0),
            "pole": (192, 192, 128),
            "road": (128, 64, 128),
            "pavement": (60, 40, 222),
            "tree": (128, 128, 0),
            "car": (64, 0, 128),
            "unknown": (0, 0, 0),
        }.items()
    )
)
UNKNOWN = 7
VOC = [value for index in range(256) for value in voc_colour(index)]
OTHER = [int(value) for value in np.random.default_rng(1).integers(0, 256, 150 * 3)]
P3 = rgb_profile(DISPLAY_P3)

Ids = NDArray[np.uint8]
Form = Callable[[Ids], Image.Image]


def ids_of(*classes: int) -> Ids:
    """Stripes of classes, (24, 32)."""
    return np.resize(np.array(classes, np.uint8), 32)[None].repeat(24, 0)


def read(picture: Image.Image, **options: object) -> LabelMap:
    return read_label_map(picture, CLASSES, SIZE, **options)  # type: ignore[arg-type]


def stored(picture: Image.Image, kind: str = "PNG", **options: object) -> Image.Image:
    """As it comes back from a file."""
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return Image.open(io.BytesIO(file.getvalue()))


def in_palette(ids: Ids, palette: list[int]) -> Image.Image:
    picture = Image.fromarray(ids)
    picture.putpalette(palette)
    return stored(picture)


def in_mode(mode: str) -> Form:
    return lambda ids: stored(Image.fromarray(ids).convert(mode))


@pytest.mark.parametrize(
    "form",
    [
        in_mode("RGB"),
        in_mode("RGBA"),
        in_mode("LA"),
        lambda ids: stored(Image.fromarray(ids), "WEBP", lossless=True),
        lambda ids: stored(Image.fromarray(ids).convert("RGB"), "WEBP", lossless=True),
        lambda ids: stored(Image.fromarray(ids).convert("RGB").quantize(8)),
    ],
    ids=["rgb", "rgba", "la", "grey webp", "webp", "grey palette in any order"],
)
@pytest.mark.parametrize("classes", [(0, 1, 2, 3, 4, 5, 6, 7), (3,), (0, 3)])
def test_equal_channels_hold_ids(form: Form, classes: tuple[int, ...]) -> None:
    ids = ids_of(*classes)
    result = read(form(ids))
    assert np.array_equal(result.ids, ids)
    assert "grey values as class ids" in result.notes[0]
    assert np.array_equal(read(form(ids), as_="ids").ids, ids)


def test_large_pictures_of_equal_channels_hold_ids() -> None:
    ids = ids_of(1, 2, 3, 4).repeat(5, 0).repeat(5, 1)
    assert np.array_equal(read(Image.fromarray(ids).convert("RGB")).ids, ids[2::5, 2::5])


def test_transparent_parts_of_ids_are_unknown() -> None:
    picture = Image.fromarray(ids_of(3)).convert("RGBA")
    picture.paste((255, 255, 255, 0), (0, 0, 16, 24))
    result = read(picture)
    assert (result.ids[:, :16] == UNKNOWN).all() and (result.ids[:, 16:] == 3).all()
    assert "Transparent parts count as unknown." in result.notes
    with pytest.raises(InputError, match="are transparent"):
        read_label_map(picture, CLASSES[:4], SIZE)


def test_transparent_parts_of_colours_need_a_class() -> None:
    drawing = to_rgb(ids_of(1, 3), CLASSES).convert("RGBA")
    drawing.paste((255, 255, 255, 0), (0, 0, 16, 24))
    readings: tuple[Reading | None, ...] = None, "colours"
    for as_ in readings:
        assert (read(drawing, as_=as_).ids[:, :16] == UNKNOWN).all()
        with pytest.raises(InputError, match="are transparent, and no class stands for them"):
            read_label_map(drawing, CLASSES[:4], SIZE, as_=as_)
    whole = to_rgb(ids_of(1, 3), CLASSES).convert("RGBA")
    assert np.array_equal(read_label_map(whole, CLASSES[:4], SIZE).ids, ids_of(1, 3))


@pytest.mark.parametrize("value", [2, 200])
@pytest.mark.parametrize("mode", ["L", "I;16"])
def test_a_grey_png_may_call_a_value_transparent(mode: str, value: int) -> None:
    wide = {"L": np.uint8, "I;16": np.uint16}[mode]
    picture = stored(Image.fromarray(ids_of(0, value).astype(wide)), transparency=value)
    assert picture.mode == mode
    result = read(picture)
    assert np.array_equal(result.ids, ids_of(0, UNKNOWN))
    assert result.notes == ("Transparent parts count as unknown.",)
    with pytest.raises(InputError, match="are transparent"):
        read_label_map(picture, CLASSES[:4], SIZE)
    unused = stored(Image.fromarray(ids_of(0, 3).astype(wide)), transparency=value)
    assert np.array_equal(read_label_map(unused, CLASSES[:4], SIZE).ids, ids_of(0, 3))


def test_grey_class_colours_stay_colours() -> None:
    for classes in ((0, UNKNOWN), (UNKNOWN,), (0,)):
        result = read(to_rgb(ids_of(*classes), CLASSES))
        assert np.array_equal(result.ids, ids_of(*classes)) and result.notes == ()
    stroke = to_rgb(ids_of(0), CLASSES)
    stroke.paste((200, 200, 200), (3, 3, 6, 6))
    assert (read(stroke).ids == 0).all()
    soft = to_rgb(ids_of(*[0] * 8, *[UNKNOWN] * 8), CLASSES)
    soft.putpixel((8, 3), (60, 60, 60))
    assert set(np.unique(read(soft).ids)) == {0, UNKNOWN}


@pytest.mark.parametrize(
    ("picture", "reason"),
    [
        (in_mode("RGB")(ids_of(*range(9))), "go to 8, class ids end at 7"),
        (in_mode("RGB")(ids_of(0, 1, 2, 3, 4, 5, 6, 7, 1, 2, 255)), "go to 255, class ids end"),
        (in_mode("RGB")(ids_of(*[0] * 15, 255)), "go to 255, class ids end"),
        (in_mode("LA")(ids_of(*range(16))), "go to 15, class ids end at 7"),
        (stored(in_mode("RGB")(ids_of(*range(6))), "JPEG"), "save (class ids|them) as a grey PNG"),
        (stored(in_mode("RGB")(ids_of(2, 3)), "WEBP"), "save (class ids|them) as a grey PNG"),
        (stored(in_mode("RGB")(ids_of(3)), "JPEG"), "Lossy formats"),
        (stored(in_mode("RGB")(ids_of(3)), "WEBP"), "Lossy formats"),
        (Image.merge("RGB", [Image.fromarray(ids_of(3, n)) for n in (4, 5, 4)]), "so dark that"),
    ],
)
def test_nearly_black_pictures_are_refused(picture: Image.Image, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        read(picture)


def test_ids_in_the_lower_half_of_16_bits_are_refused(tmp_path: Path) -> None:
    deep_png(tmp_path / "deep.png", np.stack([ids_of(1, 2)] * 3, -1))
    with pytest.raises(InputError, match="16 bits a channel"):
        read_label_map(tmp_path / "deep.png", CLASSES, SIZE)


def deep_png(path: Path, values: NDArray[np.uint8]) -> None:
    """An RGB picture of 16 bits a channel, which Pillow does not write."""
    height, width = values.shape[:2]
    rows = values.astype(">u2").reshape(height, -1).tobytes()
    lines = b"".join(b"\0" + rows[i : i + 6 * width] for i in range(0, len(rows), 6 * width))
    header = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(lines)), (b"IEND", b""))
    content = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + content)


@pytest.mark.parametrize(
    "palette",
    [VOC, VOC[: 21 * 3], VOC[: 8 * 3], OTHER],
    ids=["voc", "voc 21", "voc cut short", "150 classes"],
)
@pytest.mark.parametrize("classes", [(0, 1, 3), (0, 1), (0, 2, 4), (0, 3, 1, 5)])
def test_palettes_of_other_data_sets_are_decoration(
    palette: list[int], classes: tuple[int, ...]
) -> None:
    """Though several of VOC's colours are class colours here, of other classes."""
    ids = ids_of(*classes)
    result = read(in_palette(ids, palette))
    assert np.array_equal(result.ids, ids)
    assert "palette indices as class ids" in result.notes[0]


def test_a_palette_is_judged_by_the_whole_picture() -> None:
    """A colour in use is no sign of a foreign palette, even where the middle does not show it."""
    whole = Image.fromarray(ids_of(0, 1).repeat(3, 0))
    for index in (2, 3, 4):
        whole.paste(index, (0, index, 32, index + 1))
    whole.putpalette([128, 0, 0, 128, 128, 0, *(250, 0, 250), *(250, 0, 99), *(0, 250, 0)])
    assert set(np.unique(read(stored(whole)).ids)) == {1, 5}


def test_palettes_in_class_colours_go_by_colour_and_say_so() -> None:
    truth = ids_of(*range(8))
    shuffled = to_rgb(truth, CLASSES).quantize(8)
    result = read(stored(shuffled))
    assert np.array_equal(result.ids, truth)
    assert "palette colours as classes" in result.notes[0]
    own = read(stored(to_palette_image(truth, CLASSES)))
    assert np.array_equal(own.ids, truth) and own.notes == ()


def test_a_reduced_drawing_goes_by_colour() -> None:
    """Its few colours are blends and no class colours, but near them."""
    drawing = to_rgb(ids_of(*[1] * 9, *[5] * 7), CLASSES).resize((64, 48), Image.Resampling.BICUBIC)
    assert set(np.unique(read(stored(drawing.quantize(4))).ids)) == {1, 5}


def test_the_caller_chooses() -> None:
    picture = in_palette(ids_of(0, 1, 3), VOC)
    assert np.array_equal(read(picture, as_="ids").ids, ids_of(0, 1, 3))
    assert np.array_equal(read(picture, as_="colours").ids, ids_of(7, 1, 5))
    grey = Image.new("L", SIZE[::-1], 128)
    assert (read(grey, as_="colours").ids == 0).all()
    dark = in_mode("RGB")(ids_of(1, 2))
    assert (read(dark, as_="colours").ids == UNKNOWN).all()
    assert (read(in_mode("RGB")(ids_of(0)), as_="ids").ids == 0).all()


@pytest.mark.parametrize(
    ("source", "as_", "reason"),
    [
        (to_rgb(ids_of(1, 2), CLASSES), "ids", "channels differ"),
        (in_mode("RGB")(ids_of(1, 9)), "ids", "holds 9"),
        (in_palette(ids_of(1, 9), VOC), "ids", "holds 9"),
        (stored(in_mode("RGB")(ids_of(3)), "JPEG"), "ids", "Lossy formats"),
        (Image.new("L", SIZE[::-1], 70), "colours", "in no class colour"),
        (ids_of(1), "colours", "An array holds class ids"),
        (ids_of(1), "indices", "give 'ids', 'colours'"),
        (in_palette(ids_of(0, 1, 3, 255), VOC), None, "holds the index 255"),
        (["a.png", "b.png"], None, "one path after the other"),
    ],
)
def test_what_does_not_fit_is_refused(source: object, as_: object, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        read_label_map(source, CLASSES, SIZE, as_=as_)  # type: ignore[arg-type]


@pytest.mark.parametrize("converted", [True, False])
def test_drawings_in_another_colour_space(converted: bool) -> None:
    """Painted by numbers there, or converted into it when they were saved."""
    truth = ids_of(*range(8))
    drawing = to_rgb(truth, CLASSES)
    if converted:
        srgb = ImageCms.createProfile("sRGB")
        target = ImageCms.ImageCmsProfile(io.BytesIO(P3))
        drawing = ImageCms.profileToProfile(drawing, srgb, target) or drawing
    result = read(stored(drawing, icc_profile=P3))
    assert np.array_equal(result.ids, truth)
    assert any("sRGB" in note for note in result.notes) == converted


def test_profiles_do_not_touch_ids() -> None:
    picture = stored(in_mode("RGB")(ids_of(1, 2)), icc_profile=P3)
    assert np.array_equal(read(picture).ids, ids_of(1, 2))


def test_other_kinds_of_pictures_are_named(tmp_path: Path) -> None:
    path = tmp_path / "map.png"
    Image.fromarray(ids_of(1)).save(path, "TIFF")
    with pytest.raises(InputError, match="a TIFF picture"):
        read_label_map(path, CLASSES, SIZE)


def test_the_class_of_transparent_parts_may_have_any_name() -> None:
    picture = Image.fromarray(ids_of(3)).convert("RGBA")
    picture.putpixel((0, 0), (9, 9, 9, 0))
    assert read_label_map(picture, CLASSES[:4], SIZE, unknown=2).ids[0, 0] == 2


def test_the_voc_palette() -> None:
    """As its development kit and labelme define it."""
    known = {0: (0, 0, 0), 1: (128, 0, 0), 2: (0, 128, 0), 7: (128, 128, 128), 12: (64, 0, 128)}
    assert {index: voc_colour(index) for index in known} == known
    assert voc_colour(255) == (224, 224, 192)
