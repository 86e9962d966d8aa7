"""What users of similar libraries expect: one line in a terminal, pictures in a notebook,
generators, files in any form, and errors that say what to install."""

import dataclasses
import io
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tiny import CLASSES, random_map

import fiancee_hub
from fiancee_hub import CheckpointError, FianceeError, FianceePipeline, InputError, StreetsPipeline
from fiancee_hub.cli.main import main
from fiancee_hub.core import perceptual
from fiancee_hub.core.errors import MissingPackageError
from fiancee_hub.core.marking import MARK
from fiancee_hub.families.faces.photos import read_photo
from fiancee_hub.families.label_maps.classes import to_rgb

ROOT = Path(__file__).resolve().parents[1]
PHOTO = ROOT / "space/examples/faces/london_008_neutral.jpg"
IDS = random_map(3)


@pytest.fixture
def streets(tiny_checkpoint: Path) -> StreetsPipeline:
    return StreetsPipeline.from_pretrained(tiny_checkpoint)


def test_everything_is_one_line(streets: StreetsPipeline) -> None:
    comparison = streets.compare(IDS)
    lines: tuple[tuple[object, tuple[str, ...]], ...] = (
        (streets, ("LabelMapPipeline from ", "96x64, 4 exits, cpu, float32")),
        (streets.config, ("CheckpointConfig label_maps", "96x64, 4 exits, 6 classes, calibrated")),
        (comparison, ("Comparison: exit ", "budget 0.1 ")),
        (comparison.early, ("Result 96x64: exit ", "predicted LPIPS ")),
    )
    for value, parts in lines:
        line = repr(value)
        assert len(line) < 160 and "\n" not in line
        for part in parts:
            assert part in line


def test_a_notebook_shows_pictures(streets: StreetsPipeline) -> None:
    comparison = streets.compare(IDS, budget=0.9)
    with Image.open(io.BytesIO(comparison.early._repr_png_())) as shown:
        assert (np.asarray(shown) == np.asarray(comparison.early.image)).all()
        assert MARK in str(shown.info)
    html = comparison._repr_html_()
    assert html.count("data:image/png;base64,") == 2
    for part in ("full depth", f"LPIPS {comparison.lpips:.4f}", "GMACs", "was taken as 0.3."):
        assert part in html


@pytest.mark.parametrize("budget", [0.31, 1.0])
def test_a_budget_beyond_the_calibrated_range_is_said(
    streets: StreetsPipeline, budget: float
) -> None:
    said = f"Budgets are calibrated up to 0.3: {budget:g} was taken as 0.3."
    assert streets(IDS, budget=budget).notes == (said,)
    assert streets.generate_batch([IDS], budget=budget)[0].notes == (said,)
    assert streets(IDS, budget=budget, exit=1).notes == ()
    assert streets(IDS, budget=0.3).notes == ()
    streets.config = dataclasses.replace(streets.config, calibration=None)
    assert streets(IDS, budget=budget).notes == ()


def test_a_generator_draws_the_seed(streets: StreetsPipeline) -> None:
    def fresh() -> torch.Generator:
        return torch.Generator("cpu").manual_seed(5)

    first = streets(IDS, generator=fresh())
    assert streets(IDS, generator=fresh()).image == first.image
    assert streets(IDS, seed=first.seed).image == first.image
    assert streets.compare(IDS, generator=fresh()).early.seed == first.seed
    shared = fresh()
    several = [streets(IDS, generator=shared).seed for _ in range(3)]
    assert several[0] == first.seed and len(set(several)) == 3
    assert [r.seed for r in streets.generate_batch([IDS] * 3, generator=fresh())] == several


@pytest.mark.parametrize(
    "call",
    [
        lambda pipe: pipe(IDS, seed=1, generator=torch.Generator()),
        lambda pipe: pipe.generate_batch([IDS], seeds=[1], generator=torch.Generator()),
        lambda pipe: pipe(IDS, generator=np.random.default_rng(0)),
    ],
)
def test_generators_that_cannot_be_used(
    streets: StreetsPipeline, call: Callable[[StreetsPipeline], object]
) -> None:
    with pytest.raises(InputError, match="generator"):
        call(streets)


def as_png(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def as_npy() -> bytes:
    file = io.BytesIO()
    np.save(file, IDS)
    return file.getvalue()


CONTENTS = {"PNG": as_png(to_rgb(IDS, CLASSES)), "array": as_npy()}


@pytest.mark.parametrize("form", CONTENTS)
def test_label_maps_as_bytes_and_open_files(
    streets: StreetsPipeline, tmp_path: Path, form: str
) -> None:
    content = CONTENTS[form]
    (tmp_path / "map").write_bytes(content)
    with (tmp_path / "map").open("rb") as opened:
        sources: tuple[Any, ...] = (content, bytearray(content), io.BytesIO(content), opened)
        for source in sources:
            assert (streets.read(source).ids == IDS).all()


def test_photos_as_bytes_and_open_files() -> None:
    content, expected = PHOTO.read_bytes(), read_photo(PHOTO).image
    with PHOTO.open("rb") as opened:
        for source in (content, io.BytesIO(content), opened):
            assert read_photo(source).image == expected


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (b"", "The file is"),
        (b"\x93NUMPY nothing", "truncated or no plain array"),
        (io.StringIO("0 1"), 'open it with mode "rb"'),
    ],
)
def test_contents_that_cannot_be_used(streets: StreetsPipeline, source: Any, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        streets.read(source)


def test_a_closed_file_is_named(streets: StreetsPipeline, tmp_path: Path) -> None:
    closed = io.BytesIO(CONTENTS["PNG"])
    closed.close()
    with pytest.raises(InputError, match="open it again"):
        streets.read(closed)


@pytest.mark.parametrize("package", ["lpips", "torchvision"])
def test_a_missing_package_says_what_to_install(
    package: str, pipeline: FianceePipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    perceptual.perceptual_distance.cache_clear()
    with pytest.raises(FianceeError, match=r'pip install "fiancee-hub\[compare\]"') as caught:
        pipeline.compare(IDS, budget=0.3)
    assert isinstance(caught.value, MissingPackageError | ModuleNotFoundError)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_the_command_line_says_it_too(tiny_checkpoint: Path, tmp_path: Path) -> None:
    to_rgb(IDS, CLASSES).save(tmp_path / "map.png")
    code = """
import sys
sys.modules["lpips"] = None
from fiancee_hub.cli.main import main
sys.exit(main(sys.argv[1:]))
"""
    words = ["compare", str(tmp_path / "map.png"), "--checkpoint", str(tiny_checkpoint)]
    words += ["--budget", "0.3", "--out", str(tmp_path / "out.png")]
    done = subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.returncode == 2
    assert 'lpips is not installed: pip install "fiancee-hub[compare]"' in done.stderr
    assert "Traceback" not in done.stderr


def test_the_version() -> None:
    words = [sys.executable, "-m", "fiancee_hub", "--version"]
    done = subprocess.run(words, capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == f"fiancee-hub {fiancee_hub.__version__}\n"


def test_dir_lists_all_public_names() -> None:
    assert set(fiancee_hub.__all__) <= set(dir(fiancee_hub))
    for name in fiancee_hub.__all__:
        assert getattr(fiancee_hub, name) is not None


def test_what_is_read_and_rendered_is_one_line_too(streets: StreetsPipeline) -> None:
    rendering = streets.prepare(IDS)
    rendering.result(2)
    assert repr(rendering).endswith("; exits rendered: 2>")
    assert repr(rendering).startswith("<Rendering: predicted LPIPS 0.")
    assert repr(streets.read(IDS)) == f"<LabelMap 96x64: {len(np.unique(IDS))} classes>"


def test_dir_lists_nothing_else() -> None:
    assert {"Any", "TYPE_CHECKING", "_HOMES"}.isdisjoint(dir(fiancee_hub))


def test_a_view_of_a_file_is_read_like_its_bytes(streets: StreetsPipeline) -> None:
    ids: Any = IDS
    for view in (memoryview(CONTENTS["PNG"]), memoryview(ids)):
        assert (streets.read(view).ids == IDS).all()
    assert read_photo(memoryview(PHOTO.read_bytes())).image == read_photo(PHOTO).image


def test_no_label_map_at_all(streets: StreetsPipeline) -> None:
    with pytest.raises(InputError, match="The label map is missing: pass a path"):
        streets(None)


def test_a_list_shows_a_bar(streets: StreetsPipeline, capsys: pytest.CaptureFixture[str]) -> None:
    streets([IDS, IDS], exit=1)
    assert capsys.readouterr().err == ""
    streets([IDS, IDS], exit=1, progress=True)
    assert "2/2" in capsys.readouterr().err


def test_a_folder_of_checkpoints_names_them(tiny_checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "streets").symlink_to(tiny_checkpoint)
    with pytest.raises(CheckpointError, match=r"holds no config\.json; .* holds streets/config"):
        FianceePipeline.from_pretrained(tmp_path)


@pytest.mark.parametrize(
    ("command", "package", "extra"),
    [
        ("evaluate", "matplotlib", "evaluate"),
        ("evaluate", "lpips", "evaluate"),
        ("train all --out mine", "matplotlib", "train"),
        ("train branches", "torchvision", "train"),
        ("train backbone", "accelerate", "train"),
    ],
)
def test_long_work_is_not_begun_without_what_it_needs(
    command: str,
    package: str,
    extra: str,
    tiny_checkpoint: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, package, None)
    checkpoint = [str(tiny_checkpoint)] if command == "evaluate" else []
    assert main([*command.split(), *checkpoint, "--data", str(tmp_path)]) == 2
    said = f'{package} is not installed: pip install "fiancee-hub[{extra}]"'
    assert said in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
