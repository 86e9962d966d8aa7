"""Reading and writing label maps: exact forms come back exactly, everything else with one error."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import ArrayLike
from PIL import Image, ImageDraw

from fiancee_hub.core.errors import InputError
from fiancee_hub.domains.streets.classes import DOMAIN, STREETS
from fiancee_hub.families.label_maps import colours as snapping
from fiancee_hub.families.label_maps import reading as label_maps
from fiancee_hub.families.label_maps.classes import (
    ClassEntry,
    class_named,
    to_palette_image,
    to_rgb,
)
from fiancee_hub.families.label_maps.colours import Bytes
from fiancee_hub.families.label_maps.forms import Aliases
from fiancee_hub.families.label_maps.reading import read_label_map

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
            "sign": (192, 128, 128),
            "fence": (64, 64, 128),
            "car": (64, 0, 128),
            "pedestrian": (64, 64, 0),
            "bicyclist": (0, 128, 192),
            "lane marking": (128, 0, 192),
            "unknown": (0, 0, 0),
        }.items()
    )
)
SIZE = (24, 32)
STREET_SIZE = (192, 256)
quick = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@st.composite
def id_maps(draw: st.DrawFn) -> Bytes:
    """Any map of a size that the model takes as it is, noise included."""
    seed, count = draw(st.integers(0, 2**32 - 1)), draw(st.integers(1, len(CLASSES)))
    random = np.random.default_rng(seed)
    chosen = random.choice(len(CLASSES), count, replace=False)
    return random.choice(chosen, SIZE).astype(np.uint8)


def street(seed: int = 0) -> Bytes:
    """Rectangles and ovals of at least 8 pixels on sky and road, (192, 256)."""
    random = np.random.default_rng(seed)
    image = Image.new("L", STREET_SIZE[::-1], 0)
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 100, 255, 191), fill=3)
    for _ in range(12):
        left, top = (int(value) for value in random.integers(0, (240, 180)))
        width, height = (int(value) for value in random.integers(8, 60, 2))
        shape = draw.rectangle if random.random() < 0.5 else draw.ellipse
        fill = int(random.choice([0, 1, 3, 4, 5, 8, 12]))
        shape((left, top, left + width, top + height), fill=fill)
    return np.array(image)


def encoded(image: Image.Image, kind: str, **options: int | bool) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def decoded(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


def worst_absent(ids: Bytes, truth: Bytes) -> float:
    """Largest share of pixels given to a class that the truth lacks."""
    absent = np.setdiff1d(np.arange(len(CLASSES)), truth)
    return max(float((ids == class_id).mean()) for class_id in absent)


@quick
@given(id_maps())
def test_palette_png_comes_back_exactly(ids: Bytes) -> None:
    png = decoded(encoded(to_palette_image(ids, CLASSES), "PNG"))
    result = read_label_map(png, CLASSES, SIZE)
    assert np.array_equal(result.ids, ids) and result.ids.dtype == np.uint8
    assert result.notes == ()


@quick
@given(id_maps(), st.sampled_from(["PNG", "WEBP"]))
def test_rgb_picture_comes_back_exactly(ids: Bytes, kind: str) -> None:
    picture = decoded(encoded(to_rgb(ids, CLASSES), kind, lossless=True))
    result = read_label_map(picture, CLASSES, SIZE, aliases=DOMAIN.aliases)
    assert np.array_equal(result.ids, ids) and result.notes == ()


@quick
@given(id_maps(), st.sampled_from(["L", "I", "F", "I;16"]))
def test_grey_pictures_hold_class_ids(ids: Bytes, mode: str) -> None:
    picture = Image.fromarray(ids.astype(np.uint16)) if mode == "I;16" else Image.fromarray(ids)
    result = read_label_map(picture.convert(mode), CLASSES, SIZE)
    assert np.array_equal(result.ids, ids)


@pytest.mark.parametrize(
    "form",
    [
        lambda ids: ids.astype(np.int64),
        lambda ids: ids[None],
        lambda ids: ids.tolist(),
        lambda ids: ids.astype(np.float32),
        lambda ids: torch.from_numpy(ids).long(),
        lambda ids: torch.from_numpy(ids)[None],
    ],
)
def test_arrays_of_every_form(form: Callable[[Bytes], ArrayLike]) -> None:
    ids = street()[:24, :32]
    assert np.array_equal(read_label_map(form(ids), CLASSES, SIZE).ids, ids)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("aliases", [{}, DOMAIN.aliases])
def test_jpeg_maps_back(seed: int, aliases: Aliases) -> None:
    truth = street(seed)
    jpeg = decoded(encoded(to_rgb(truth, CLASSES), "JPEG", quality=75))
    result = read_label_map(jpeg, CLASSES, STREET_SIZE, aliases=aliases)
    assert (result.ids == truth).mean() >= 0.99
    assert worst_absent(result.ids, truth) <= 0.001
    assert "nearest class colour" in result.notes[0]


@pytest.mark.parametrize("seed", range(6))
def test_soft_edges_make_no_third_class(seed: int) -> None:
    truth = street(seed)
    large = to_rgb(truth, CLASSES).resize((1024, 768), Image.Resampling.NEAREST)
    # A third of a pixel off, so that edges fall between pixels.
    window = (1.3, 1.3, 1024, 768)
    soft = large.resize(STREET_SIZE[::-1], Image.Resampling.BICUBIC, box=window)
    ids = read_label_map(soft, CLASSES, STREET_SIZE, aliases=DOMAIN.aliases).ids
    assert (ids == truth).mean() >= 0.97
    assert worst_absent(ids, truth) <= 0.0005


def test_half_tree_half_unknown_is_no_pedestrian() -> None:
    rgb = np.zeros((*SIZE, 3), np.uint8)
    rgb[:, :16], rgb[:, 16] = (128, 128, 0), (64, 64, 0)
    rgb[0, 0] = (127, 128, 0)
    ids = read_label_map(Image.fromarray(rgb), CLASSES, SIZE).ids
    assert set(np.unique(ids)) == {5, 12}


def test_a_stroke_in_a_strange_colour_takes_the_class_around_it() -> None:
    picture = to_rgb(np.full(STREET_SIZE, 3, np.uint8), CLASSES)
    ImageDraw.Draw(picture).rectangle((50, 50, 120, 110), fill=(0, 255, 0))
    assert (read_label_map(picture, CLASSES, STREET_SIZE).ids == 3).all()


def test_aliases_go_by_the_names_of_the_classes() -> None:
    picture = Image.new("RGB", SIZE[::-1], (0, 0, 192))
    aliases = {"pavement": ((0, 0, 192), (1, 2, 3))}
    assert (read_label_map(picture, CLASSES, SIZE, aliases=aliases).ids == 4).all()


def test_classes_of_one_name_keep_their_ids() -> None:
    classes = (ClassEntry(0, "lane", (9, 9, 9)), ClassEntry(1, "lane", (200, 0, 0)))
    ids = np.eye(24, dtype=np.uint8)
    for source in (ids, Image.fromarray(ids), to_rgb(ids, classes)):
        assert (read_label_map(source, classes, (24, 24)).ids == ids).all()


def test_streets_are_read_in_the_colours_of_both_forms_of_camvid() -> None:
    assert CLASSES == STREETS
    for name, colours in DOMAIN.aliases.items():
        (meant,) = [entry.id for entry in CLASSES if entry.name == name]
        for colour in colours:
            picture = Image.new("RGB", SIZE[::-1], colour)
            assert (
                read_label_map(picture, CLASSES, SIZE, aliases=DOMAIN.aliases).ids == meant
            ).all()


def test_transparent_is_unknown() -> None:
    layer = to_rgb(np.full(SIZE, 3, np.uint8), CLASSES).convert("RGBA")
    layer.paste((255, 255, 255, 0), (0, 0, 16, 24))
    result = read_label_map(layer, CLASSES, SIZE)
    assert (result.ids[:, :16] == 12).all() and (result.ids[:, 16:] == 3).all()
    assert result.notes == ("Transparent parts count as unknown.",)


def test_palette_of_other_colours_holds_ids() -> None:
    ids = street()[:24, :32]
    ramp = Image.fromarray(ids)
    ramp.putpalette([value for value in range(256) for _ in range(3)])
    assert np.array_equal(read_label_map(ramp, CLASSES, SIZE).ids, ids)
    bright = Image.fromarray(ids)
    bright.putpalette([255 - value % 7 for value in range(768)])
    result = read_label_map(bright, CLASSES, SIZE)
    assert np.array_equal(result.ids, ids) and "palette indices" in result.notes[0]


def test_palette_of_class_colours_in_another_order_goes_by_colour() -> None:
    truth = street()
    shuffled = to_rgb(truth, CLASSES).quantize(13)
    assert np.array_equal(read_label_map(shuffled, CLASSES, STREET_SIZE).ids, truth)


def test_other_aspects_are_cut_to_the_middle_and_say_so() -> None:
    ids = np.zeros((48, 100), np.uint8)
    ids[:, 18:82] = 3
    result = read_label_map(ids, CLASSES, SIZE)
    assert (result.ids == 3).all()
    assert result.notes == (
        "Cut to the model's aspect: 18 pixels at the left and 18 pixels at the right left out.",
        "Resized from 64x48 to 32x24 by nearest class.",
    )


def test_nearly_equal_aspects_are_stretched() -> None:
    result = read_label_map(np.zeros((48, 65), np.uint8), CLASSES, SIZE)
    assert result.notes == ("Resized from 65x48 to 32x24 by nearest class.",)


@quick
@given(st.integers(8, 200), st.integers(8, 200), st.booleans())
def test_any_size_and_aspect(height: int, width: int, coloured: bool) -> None:
    ids = np.full((height, width), 5, np.uint8)
    source = to_rgb(ids, CLASSES) if coloured else ids
    result = read_label_map(source, CLASSES, SIZE)
    assert result.ids.shape == SIZE and (result.ids == 5).all()


def test_exif_orientation_is_obeyed(tmp_path: Path) -> None:
    truth = street()
    sideways = to_rgb(np.rot90(truth), CLASSES)
    exif = Image.Exif()
    exif[0x0112] = 6
    sideways.save(tmp_path / "map.png", exif=exif)
    result = read_label_map(tmp_path / "map.png", CLASSES, STREET_SIZE)
    assert np.array_equal(result.ids, truth) and "upright" in result.notes[0]


def test_files(tmp_path: Path) -> None:
    ids = street()
    np.save(tmp_path / "map.npy", ids.astype(np.int32))
    to_palette_image(ids, CLASSES).save(tmp_path / "map.png")
    for path in (tmp_path / "map.npy", str(tmp_path / "map.png")):
        assert np.array_equal(read_label_map(path, CLASSES, STREET_SIZE).ids, ids)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (np.full(SIZE, 13), "holds 13, but class ids end at 12"),
        (np.full(SIZE, -1), "class ids start at 0"),
        (np.full(SIZE, 0.5), "holds fractions"),
        (np.full(SIZE, np.nan), "holds fractions"),
        (np.full(SIZE, 1j), "complex128 values"),
        (np.zeros((*SIZE, 3), np.uint8), "as a PIL image"),
        (np.zeros((0, 0)), "at least 8 pixels"),
        (np.zeros((7, 90)), "at least 8 pixels"),
        ([[1, 2], [3]], "rows of equal length"),
        (None, "label map is missing"),
        (np.full((20, 20), None), "object values"),
        (b"bytes", "truncated or no picture"),
        (torch.zeros(SIZE, requires_grad=True), "no plain array"),
        (np.broadcast_to(np.uint8(0), (10_000, 10_000)), "100 megapixels"),
        (Image.new("L", (32, 24), 200), "holds 200"),
        (Image.new("RGB", (32, 24), (255, 255, 255)), "100 % of the picture's pixels"),
        (Image.new("RGB", (4, 4)), "at least 8 pixels"),
        ("missing.png", "no file missing.png"),
        (Path("."), "no file"),
        ("nul\0byte", "no file"),
        ("x" * 5000 + ".png", r"xxx cannot be read \(File name too long\): check the path"),
        ("https://example.org/map.png", "https://example.org/map.png is an address: download it"),
        ("data:image/png;base64," + "A" * 5000, "is an address: download it"),
        (io.BytesIO(), "is empty, or was read to its end before"),
    ],
)
def test_refusals_say_what_to_do(source: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_label_map(source, CLASSES, SIZE)  # type: ignore[arg-type]


def test_photographs_are_refused() -> None:
    random = np.random.default_rng(0)
    noise = Image.fromarray(random.integers(0, 256, (6, 8, 3), np.uint8))
    photo = noise.resize((256, 192), Image.Resampling.BICUBIC)
    with pytest.raises(InputError, match=r"class colours listed by `pipe.config.classes`"):
        read_label_map(photo, CLASSES, STREET_SIZE, aliases=DOMAIN.aliases)


def test_grey_jpeg_is_refused() -> None:
    jpeg = decoded(encoded(Image.fromarray(street()), "JPEG"))
    with pytest.raises(InputError, match="save it as PNG"):
        read_label_map(jpeg, CLASSES, STREET_SIZE)


def test_huge_pictures_are_refused_before_decoding(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(label_maps, "MOST_PIXELS", 1000)
    path = tmp_path / "map.png"
    to_rgb(street(), CLASSES).save(path)
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(InputError, match="megapixels"):
        read_label_map(path, CLASSES, SIZE)


@pytest.mark.parametrize("name", ["map.png", "map.npy"])
def test_pickles_and_text_are_refused(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text("no picture")
    with pytest.raises(InputError, match="truncated or no"):
        read_label_map(path, CLASSES, SIZE)
    with path.open("wb") as file:
        np.save(file, np.array([{}], object), allow_pickle=True)
    with pytest.raises(InputError, match=r"truncated or no|a NumPy array where a picture"):
        read_label_map(path, CLASSES, SIZE)


@settings(quick, max_examples=150)
@given(data=st.data(), kind=st.sampled_from(["PNG", "JPEG", "WEBP", "NPY"]))
def test_damaged_files_raise_nothing_but_input_errors(
    data: st.DataObject, kind: str, tmp_path: Path
) -> None:
    ids = street()[80:128, 80:144]
    if kind == "NPY":
        np.save(tmp_path / "whole.npy", ids)
        content = bytearray((tmp_path / "whole.npy").read_bytes())
    else:
        content = bytearray(encoded(to_palette_image(ids, CLASSES).convert("RGB"), kind))
    for _ in range(data.draw(st.integers(0, 6))):
        # Headers are where damage is most varied.
        end = data.draw(st.sampled_from([40, 200, len(content)]))
        position = data.draw(st.integers(0, min(end, len(content)) - 1))
        content[position] = data.draw(st.integers(0, 255))
    kept = data.draw(st.integers(0, len(content)) | st.just(len(content)))
    path = tmp_path / f"damaged.{kind.lower()}"
    path.write_bytes(content[:kept])
    try:
        assert read_label_map(path, CLASSES, SIZE).ids.shape == SIZE
    except InputError as error:
        assert str(path.parent) not in str(error)


def test_class_named() -> None:
    assert class_named(CLASSES, "car").id == 8
    with pytest.raises(InputError, match="choose one of sky, building"):
        class_named(CLASSES, "boat")


def test_distinct_colours_are_found_alike_by_both_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    packed = np.random.default_rng(0).integers(0, 1 << 24, (9, 7), np.int32)
    packed[3:5] = packed[0, 0]
    for most in (0, packed.size):
        monkeypatch.setattr(snapping, "FEW_RUNS", most)
        distinct, where = snapping._distinct(packed)
        assert np.array_equal(distinct, np.unique(packed))
        assert np.array_equal(distinct[where], packed)
