"""What README tells people to run: the example scripts, and publishing, against a loopback hub."""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hub_client import ROOT, Client
from hub_server import TOKEN, Hub, serving
from PIL import Image
from tiny import CLASSES, random_map

from fiancee_hub.bulk import ROUTES
from fiancee_hub.hub import CONFIG, WEIGHTS
from fiancee_hub.label_maps import to_rgb
from fiancee_hub.saving import CARD

EXAMPLES = ROOT / "examples"


@pytest.fixture
def hub() -> Iterator[Hub]:
    with serving() as running:
        yield running


def test_load_call_fine_tune_save_push(hub: Hub, tiny_checkpoint: Path, tmp_path: Path) -> None:
    to_rgb(random_map(1), CLASSES).save(tmp_path / "map.png")
    words = [str(tiny_checkpoint), str(tmp_path / "map.png"), "--steps", "3"]
    words += ["--out", str(tmp_path / "mine"), "--push", "user/mine"]
    script = str(EXAMPLES / "own_checkpoint.py")
    client = Client(hub, tmp_path / "home")
    done = client.run(sys.executable, script, *words, HF_TOKEN=TOKEN)
    assert done.returncode == 0, done.stderr
    assert "loaded again: the same picture: True" in done.stdout
    files = hub.files("user/mine")
    assert sorted(set(files) - {".gitattributes"}) == [CARD, CONFIG, WEIGHTS]
    assert files[WEIGHTS] == (tmp_path / "mine" / WEIGHTS).read_bytes()
    assert "The router is not calibrated" in files[CARD].decode()
    first, last = (float(word) for word in done.stdout.split("branches: ")[1].split()[:3:2])
    assert last < first


@pytest.mark.parametrize("kind", ["model", "space"])
def test_publishing_with_the_hub_s_own_command(
    hub: Hub, tiny_checkpoint: Path, tmp_path: Path, kind: str
) -> None:
    """As README says; the command is huggingface_hub's."""
    folder = tmp_path / "folder"
    shutil.copytree(tiny_checkpoint, folder)
    (folder / "resume.safetensors").write_bytes(b"left out")
    (folder / "README.md").write_text("---\nsdk: gradio\n---\n")
    command = shutil.which("hf", path=str(Path(sys.executable).parent)) or "hf"
    words = ["upload", "user/published", str(folder), ".", "--exclude", "resume.safetensors"]
    words += ["--repo-type", "space"] if kind == "space" else []
    done = Client(hub, tmp_path / "home").run(command, *words, HF_TOKEN=TOKEN)
    assert done.returncode == 0, done.stderr
    files = hub.files("user/published", f"{kind}s")
    assert {CONFIG, WEIGHTS, "README.md"} <= set(files)
    assert "resume.safetensors" not in files
    large = [r for r in hub.requests if r.method == "PUT" and r.path.startswith("/large/")]
    assert len(large) == 1


@pytest.mark.slow
def test_ray_stage(tiny_checkpoint: Path, tmp_path: Path) -> None:
    pytest.importorskip("ray")
    (tmp_path / "maps").mkdir()
    for index in range(6):
        to_rgb(random_map(index), CLASSES).save(tmp_path / "maps" / f"{index}.png")
    words = [str(tmp_path / "maps"), str(tmp_path / "out"), "--checkpoint", str(tiny_checkpoint)]
    with serving() as hub:
        client = Client(hub, tmp_path / "home")
        done = client.run(sys.executable, str(EXAMPLES / "ray_stage.py"), *words, "--workers", "2")
    assert done.returncode == 0, done.stderr
    assert len((tmp_path / "out" / ROUTES).read_text().splitlines()) == 6
    assert Image.open(tmp_path / "out" / "3.png").size == (96, 64)
