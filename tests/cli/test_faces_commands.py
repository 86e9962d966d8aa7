"""``generate``, ``compare`` and ``faces``: options, clips, formats, and what is written over."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from demo_fixtures import save_face_checkpoint
from PIL import Image

from fiancee_hub.cli.main import main
from fiancee_hub.core.marking import GENERATED, MARK
from fiancee_hub.families.faces.clips import RATE, Sound, read_clip, read_sound
from fiancee_hub.families.faces.films import write_clip
from fiancee_hub.measuring.contact_sheet import GAP, HEADING_HEIGHT

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


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six frames in three fifths of a second, with sound; the first and the fourth show no face."""
    pytest.importorskip("av")
    path = tmp_path_factory.mktemp("clip") / "driver.mkv"
    persons = []
    for name in ("107_neutral", "107_smile"):
        with Image.open(EXAMPLES / f"london_{name}.jpg") as picture:
            persons.append(picture.convert("RGB"))
    nobody = Image.new("RGB", (256, 256))
    frames = [nobody, persons[0], persons[1], nobody, persons[0], persons[1]]
    tone = np.rint(9000 * np.sin(np.arange(0.6 * RATE) / 20)).astype(np.int16)
    write_clip(frames, 10, path, sound=Sound(np.stack([tone, tone], 1)))
    return path


def made(checkpoint: Path, out: Path, *words: object) -> Path:
    """What ``generate`` writes."""
    asked = ("generate", ME, "--checkpoint", checkpoint, "--out", out, *words)
    assert main([str(word) for word in asked]) == 0
    return out


def pictures(path: Path) -> list[bytes]:
    return [frame.tobytes() for frame in read_clip(path, fps=10).frames]


def test_a_driven_clip_keeps_length_and_sound(
    checkpoint: Path, clip: Path, tmp_path: Path, capsys: Capture
) -> None:
    # By what it holds: the name says nothing.
    driver = tmp_path / "driver"
    driver.write_bytes(clip.read_bytes())
    out = made(checkpoint, tmp_path / "driven.mp4", "--driver", driver)
    said = capsys.readouterr().out
    assert "6 frames" in said and "with the driver's sound" in said
    assert "2 frames show no usable face: there the last picture stands" in said
    driven = read_clip(out)
    assert (driven.count, driven.fps) == (6, 10) and read_sound(out, driven) is not None
    shown = pictures(made(checkpoint, tmp_path / "driven.png", "--driver", clip))
    assert shown[0] == shown[1] != shown[2] == shown[3] != shown[4]
    assert ".png holds no sound" in capsys.readouterr().out
    dropped = made(checkpoint, tmp_path / "silent.webm", "--driver", clip, "--audio", "drop")
    assert read_sound(dropped, read_clip(dropped)) is None


def test_a_clip_is_driven_by_changes_or_as_it_is(
    checkpoint: Path, clip: Path, tmp_path: Path, capsys: Capture
) -> None:
    relative = pictures(made(checkpoint, tmp_path / "a.png", "--driver", clip))
    absolute = pictures(made(checkpoint, tmp_path / "b.png", "--driver", clip, "--absolute"))
    neutral = EXAMPLES / "london_107_smile.jpg"
    other = pictures(made(checkpoint, tmp_path / "c.png", "--driver", clip, "--reference", neutral))
    assert len({relative[2], absolute[2], other[2]}) == 3
    words = ("--checkpoint", checkpoint, "--out", tmp_path / "d.png", "--absolute")
    capsys.readouterr()
    said = refusal(capsys, "generate", ME, "--driver", clip, "--reference", neutral, *words)
    assert "leave one of them out" in said


def test_generate_and_compare_agree(checkpoint: Path, tmp_path: Path) -> None:
    """One driver in a large photograph: both read it as it is."""
    photo = Image.new("RGB", (900, 900), (150, 160, 170))
    with Image.open(YOU) as picture:
        photo.paste(picture.resize((512, 512)), (170, 128))
    photo.save(tmp_path / "driver.png")
    words = ["--driver", str(tmp_path / "driver.png"), "--checkpoint", str(checkpoint)]
    alone, both = tmp_path / "alone.png", tmp_path / "both.png"
    assert main(["generate", str(ME), *words, "--out", str(alone)]) == 0
    assert main(["compare", str(ME), *words, "--out", str(both)]) == 0
    with Image.open(alone) as one, Image.open(both) as sheet:
        left, top = GAP + 2 * (one.width + GAP), HEADING_HEIGHT + GAP
        early = sheet.crop((left, top, left + one.width, top + one.height))
        assert early.tobytes() == one.convert("RGB").tobytes()
        assert one.info[GENERATED] == sheet.info[GENERATED] == MARK


@pytest.mark.parametrize(
    ("command", "name", "words"),
    [
        ("generate", "a.bmp", "would lose the note"),
        ("generate", "results.v1", "names no picture format"),
        ("generate", "a.mp4", "names no picture format"),
        ("compare", "a.gif", "would lose the note"),
        ("compare", "a.mp4", "names no picture format"),
    ],
)
def test_endings_are_judged_before_work_starts(
    command: str, name: str, words: str, checkpoint: Path, tmp_path: Path, capsys: Capture
) -> None:
    # All but a clip's ending are, even before the checkpoint is looked for.
    where = checkpoint if name == "a.mp4" else tmp_path / "nowhere"
    asked = (command, ME, "--driver", YOU, "--checkpoint", where, "--out", tmp_path / name)
    assert words in refusal(capsys, *asked)
    assert not (tmp_path / name).exists()


def test_a_clip_is_no_picture(
    checkpoint: Path, clip: Path, tmp_path: Path, capsys: Capture
) -> None:
    words = ("--checkpoint", checkpoint, "--out")
    said = refusal(capsys, "generate", ME, "--driver", clip, *words, tmp_path / "a.jpg")
    assert "names no format that clips are written in" in said
    said = refusal(capsys, "compare", ME, "--driver", clip, *words, tmp_path / "a.jpg")
    assert "driver.mkv is a WebM or Matroska video where a picture is needed" in said
    said = refusal(capsys, "generate", clip, "--driver", YOU, *words, tmp_path / "a.jpg")
    assert "is a WebM or Matroska video where a picture is needed" in said


def test_faces_are_listed_and_chosen(checkpoint: Path, tmp_path: Path, capsys: Capture) -> None:
    photo = Image.new("RGB", (900, 500), (150, 160, 170))
    for path, side, corner in ((ME, 400, (20, 40)), (YOU, 150, (600, 200))):
        with Image.open(path) as picture:
            photo.paste(picture.resize((side, side)), corner)
    photo.save(tmp_path / "two.png")
    assert main(["faces", str(tmp_path / "two.png")]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("--face 0: 2") and second.startswith("--face 1: 8")
    assert main(["faces", str(tmp_path / "two.png"), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["usable"] for row in rows] == [True, True] and rows[1]["box"][0] > 600
    words = ["generate", str(tmp_path / "two.png"), "--driver", str(tmp_path / "two.png")]
    words += ["--checkpoint", str(checkpoint), "--out"]
    shown = set()
    for number, options in enumerate(([], ["--face", "1"], ["--driver-face", "1"])):
        out = tmp_path / f"{number}.png"
        assert main([*words, str(out), *options]) == 0
        shown.add(out.read_bytes())
    assert len(shown) == 3
    capsys.readouterr()
    assert "There is no face 2" in refusal(capsys, *words, tmp_path / "x.png", "--face", 2)


def test_a_source_of_the_longest_name_has_a_picture_of_its_own(
    checkpoint: Path, tmp_path: Path
) -> None:
    source = tmp_path / f"{'b' * 250}.jpg"
    source.write_bytes(ME.read_bytes())
    words = (source, "--driver", YOU, "--checkpoint", checkpoint, "--out", tmp_path / "made")
    assert main(["generate", *map(str, words)]) == 0
    (made,) = (tmp_path / "made").iterdir()
    assert len(made.name) == 255 and made.name.endswith("-driven.png")


def test_a_picture_and_a_comparison(checkpoint: Path, tmp_path: Path, capsys: Capture) -> None:
    words = [str(word) for word in (ME, "--driver", YOU, "--checkpoint", checkpoint)]
    assert main(["generate", *words, "--out", str(tmp_path / "new.jpg")]) == 0
    assert main(["compare", *words, "--out", str(tmp_path / "both.png")]) == 0
    assert "full milliseconds" in capsys.readouterr().out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["both.png", "new.jpg"]
