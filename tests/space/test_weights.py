"""Whose figures and pictures the repository shows, and the command that makes them anew."""

import dataclasses
import json
import shutil
from pathlib import Path

import pytest

from fiancee_hub.core.errors import DataError
from fiancee_hub.evaluation.card import write_into_readme
from fiancee_hub.hub.checkpoints import CONFIG, WEIGHTS, load_checkpoint, save_checkpoint
from fiancee_hub.hub.config import read_config
from fiancee_hub.hub.examples import example_file
from fiancee_hub.hub.saving import EVALUATION, TRAINING_STATE, evaluation_of
from fiancee_hub.training.loop import STATE
from fiancee_hub.training.state import save_state
from space.settings import ROOT
from space.tools import made, transcript, weights

PICTURES = ROOT / "docs" / "screens"
FIGURES = ROOT / "docs" / "figures"
PAIRS = ROOT / "space" / "examples" / "budget"
FIRST = ROOT / "space" / "examples" / "first"
README = ROOT / "README.md"

SCREENS = sorted({path.stem.rpartition("-")[0] for path in PICTURES.glob("*.webp")})
PARTS = {
    **{f"screens/{name}": () for name in SCREENS},
    **{f"pairs/{path.name}": (path.name,) for path in sorted(PAIRS.iterdir()) if path.is_dir()},
    **{f"first/{path.stem}": (path.stem,) for path in sorted(FIRST.glob("*.json"))},
    "transcript/streets": ("streets",),
    **{f"figures/{path.stem}": ("streets",) for path in FIGURES.glob("*.webp")},
    "times/page": tuple(made.ADDRESSES),
    "times/opening": tuple(made.ADDRESSES),
    "times/load": tuple(made.ADDRESSES),
    "times/web": ("streets",),
    "times/web-faces": ("faces",),
    "times/camera": ("faces",),
}
"""What shows a checkpoint, and which ones it must show."""


@pytest.mark.parametrize("part", PARTS)
def test_what_is_shown_was_made_with_the_weights_beside_it(part: str) -> None:
    """``make weights`` makes it anew; docs/weights.md says how."""
    noted = made.made().get(part)
    assert noted, f"{part} was never made: see docs/weights.md"
    assert set(noted) >= set(PARTS[part])
    assert noted == made.digests(part, noted), f"{part} shows other weights: see docs/weights.md"


@pytest.mark.parametrize("name", made.ADDRESSES)
def test_figures_were_measured_on_the_weights_beside_them(name: str) -> None:
    figures = json.loads((made.ADDRESSES[name] / EVALUATION).read_text(encoding="utf-8"))
    assert figures["model_sha256"] == made.weights_digest(made.ADDRESSES[name])


@pytest.mark.parametrize("name", made.ADDRESSES)
def test_readme_says_what_was_measured(name: str, tmp_path: Path) -> None:
    folder = made.ADDRESSES[name]
    figures = json.loads((folder / EVALUATION).read_text(encoding="utf-8"))
    copy = tmp_path / "README.md"
    before = README.read_text(encoding="utf-8")
    copy.write_text(before.replace("(weights_card/", "("), encoding="utf-8")
    (tmp_path / name).mkdir()
    shown = read_config(folder / CONFIG)
    write_into_readme(copy, tmp_path / name, shown, figures)
    assert copy.read_text(encoding="utf-8") == before.replace("(weights_card/", "(")


def test_other_weights_are_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "streets"
    folder.mkdir()
    (folder / CONFIG).write_text(json.dumps({"costs": {"exits": [1, 2]}}))
    (folder / WEIGHTS).write_bytes(b"one")
    monkeypatch.setattr(made, "ADDRESSES", {"streets": folder})
    path = tmp_path / "made.json"
    for part in ("pairs/streets", "times/page"):
        made.note(part, ["streets"], path)
    kept = made.made(path)
    (folder / WEIGHTS).write_bytes(b"two")
    assert kept["pairs/streets"] != made.digests("pairs/streets", ["streets"])
    assert kept["times/page"] == made.digests("times/page", ["streets"])
    (folder / CONFIG).write_text(json.dumps({"costs": {"exits": [1, 3]}}))
    assert kept["times/page"] != made.digests("times/page", ["streets"])


def test_a_tab_shows_the_repository_s_checkpoint() -> None:
    ours = made.ADDRESSES["streets"]
    assert made.is_shipped("streets", str(ours))
    assert not made.is_shipped("streets", "user/streets@main")
    assert not made.is_shipped("mine", str(ours))


def test_every_step_is_a_command() -> None:
    found = weights.commands("streets", Path("data"), weights.STEPS)
    assert [words[1] for words in found[1:3]] == ["space.tools.pairs", "space.tools.first"]
    assert found[3] == ["-m", "space.tools.transcript"]
    assert found[0][:4] == ["-m", "fiancee_hub", "evaluate", "weights_card/streets"]
    assert found[4:] == [
        ["docs/figures.py"],
        ["docs/screens.py", "streets", "method"],
        ["docs/screens_embed.py", "streets"],
        ["benchmarks/page.py", "--readme", "README.md"],
        ["benchmarks/opening.py", "--readme", "README.md"],
        ["benchmarks/camera.py", "--readme", "README.md"],
        ["benchmarks/load.py", "--readme", "README.md"],
    ]
    assert len(weights.commands("faces", Path("data"), weights.DEFAULT)) == 8
    assert weights.commands("faces", None, ["pairs"]) == [["-m", "space.tools.pairs", "faces"]]
    with pytest.raises(DataError, match="--data"):
        weights.commands("faces", None, ["evaluate"])


def test_the_transcript_is_replaced() -> None:
    text = README.read_text(encoding="utf-8")
    words = transcript.command(text)
    assert words[:2] == ["python", str(ROOT / "examples" / "own_checkpoint.py")]
    assert words[-2:] == ["--push", "user/mine"]
    new = transcript.replaced(text, "http://hub", "exit 1\nsaved\n")
    assert "HF_ENDPOINT=http://hub HF_TOKEN" in new
    assert "--push user/mine\n    exit 1\n    saved\n\nOfficial" in new
    assert transcript.replaced(new, "http://hub", "exit 1\nsaved\n") == new
    with pytest.raises(DataError, match="no command"):
        transcript.replaced("nothing", "", "")


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """What the library's command line would be asked for."""
    asked: list[tuple[str, ...]] = []
    monkeypatch.setattr(weights, "fiancee", lambda *words: asked.append(tuple(map(str, words))))
    return asked


def write_run(folder: Path, checkpoint: Path) -> Path:
    """A run folder with that checkpoint and the training state of its backbone."""
    shutil.copytree(checkpoint, folder / "checkpoint")
    (folder / "training.json").write_text('{"backbone": {"images": 5}}\n')
    trunk = load_checkpoint(checkpoint)[0].trunk.state_dict()
    save_state(folder / "backbone" / STATE, {"phase": {"average": trunk, "generator": {}}})
    return folder


def test_a_run_s_checkpoint_takes_the_place_of_the_old_one(
    tiny_checkpoint: Path, tmp_path: Path, commands: list[tuple[str, ...]]
) -> None:
    run = write_run(tmp_path / "run", tiny_checkpoint)
    target = Path(shutil.copytree(ROOT / "weights_card" / "streets", tmp_path / "lakes"))
    domain = read_config(target / CONFIG).domain
    weights.install(run, target, Path("data"))
    config = read_config(target / CONFIG)
    assert (target / WEIGHTS).read_bytes() == (tiny_checkpoint / WEIGHTS).read_bytes()
    assert config.domain.examples == domain.examples
    for example in config.domain.examples:
        assert example_file(target, example).is_file()
    assert json.loads((target / "training.json").read_text()) == {"backbone": {"images": 5}}
    assert evaluation_of(target) is None
    ((*words, out),) = commands
    assert words[:2] == ["train", "pack"]
    assert out == str(target / TRAINING_STATE)


def test_a_state_of_other_weights_is_not_packed(
    tiny_checkpoint: Path, tmp_path: Path, commands: list[tuple[str, ...]]
) -> None:
    run = write_run(tmp_path / "run", tiny_checkpoint)
    trunk = load_checkpoint(tiny_checkpoint)[0].trunk.state_dict()
    other = {name: value + 1 for name, value in trunk.items()}
    save_state(run / "backbone" / STATE, {"phase": {"average": other, "generator": {}}})
    weights.install(run, tmp_path / "lakes", Path("data"))
    assert commands == []


def test_what_is_not_calibrated_is_calibrated_first(
    tiny_checkpoint: Path, tmp_path: Path, commands: list[tuple[str, ...]]
) -> None:
    run = write_run(tmp_path / "run", tiny_checkpoint)
    (run / "backbone" / STATE).unlink()
    model, config = load_checkpoint(run / "checkpoint")
    save_checkpoint(run / "checkpoint", model, dataclasses.replace(config, calibration=None))
    weights.install(run, tmp_path / "lakes", Path("data"))
    words = ("train", "calibrate", "--data", "data", "--run-folder", str(run))
    assert commands == [words]


def test_a_folder_without_a_checkpoint_is_one_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    words = ["streets", "--from", str(tmp_path), "--data", str(tmp_path)]
    assert weights.main(words) == 2
    assert CONFIG in caplog.text
    assert weights.main([*words[:3], "--steps", "pairs"]) == 2
    assert "--data" in caplog.text
