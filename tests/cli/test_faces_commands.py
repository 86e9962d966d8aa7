"""``generate`` and ``compare`` for faces: whose options they take, and what they write over."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from demo_fixtures import save_face_checkpoint

from fiancee_hub.cli.main import main

EXAMPLES = Path(__file__).resolve().parents[2] / "space" / "examples" / "faces"
ME, YOU = EXAMPLES / "london_008_neutral.jpg", EXAMPLES / "london_107_smile.jpg"
Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    yield save_face_checkpoint(tmp_path_factory.mktemp("faces"))


def refusal(capsys: Capture, *words: object) -> str:
    """The one sentence of a command that is refused."""
    assert main([str(word) for word in words]) == 2
    shown = capsys.readouterr()
    assert shown.out == "" and len(shown.err.splitlines()) == 1
    return shown.err


@pytest.mark.parametrize(
    ("command", "option"),
    [
        ("generate", ("--seed", 0)),
        ("generate", ("--batch-size", 8)),
        ("compare", ("--seed", 3)),
    ],
)
def test_options_of_label_maps_are_refused(
    command: str, option: tuple[str, int], checkpoint: Path, tmp_path: Path, capsys: Capture
) -> None:
    words = (command, ME, "--driver", YOU, "--checkpoint", checkpoint, "--out", tmp_path / "x.png")
    said = refusal(capsys, *words, *option)
    assert f"{option[0]} does nothing for a checkpoint of the family faces: leave it out" in said
    assert not (tmp_path / "x.png").exists()


@pytest.mark.parametrize("command", ["generate", "compare"])
@pytest.mark.parametrize("over", ["source", "driver", "reference"])
def test_inputs_are_not_written_over(
    command: str, over: str, checkpoint: Path, tmp_path: Path, capsys: Capture
) -> None:
    files = {}
    for name, example in (("source", ME), ("driver", YOU), ("reference", YOU)):
        files[name] = tmp_path / f"{name}.jpg"
        files[name].write_bytes(example.read_bytes())
    before = files[over].read_bytes()
    words = [command, files["source"], "--driver", files["driver"]]
    words += ["--reference", files["reference"], "--checkpoint", checkpoint]
    said = refusal(capsys, *words, "--out", files[over])
    assert said == f"fiancee-hub: {files[over]} is one of the inputs: choose another --out\n"
    assert files[over].read_bytes() == before


@pytest.mark.parametrize("command", ["generate", "compare"])
def test_a_driver_is_asked_for(
    command: str, checkpoint: Path, tmp_path: Path, capsys: Capture
) -> None:
    words = (command, ME, "--checkpoint", checkpoint, "--out", tmp_path / "x.png")
    assert "add --driver PICTURE" in refusal(capsys, *words)


def test_a_clip_takes_no_reference(checkpoint: Path, tmp_path: Path, capsys: Capture) -> None:
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(b"")
    words = ("generate", ME, "--driver", clip, "--reference", YOU, "--checkpoint", checkpoint)
    assert "leave --reference out" in refusal(capsys, *words, "--out", tmp_path / "x.mp4")


def test_a_picture_and_a_comparison(checkpoint: Path, tmp_path: Path, capsys: Capture) -> None:
    words = [str(word) for word in (ME, "--driver", YOU, "--checkpoint", checkpoint)]
    assert main(["generate", *words, "--out", str(tmp_path / "new.jpg")]) == 0
    assert main(["compare", *words, "--out", str(tmp_path / "both.png")]) == 0
    assert "full milliseconds" in capsys.readouterr().out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["both.png", "new.jpg"]
