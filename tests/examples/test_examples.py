"""What README tells people to run: the example scripts, and publishing, against a loopback hub."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hub_client import ROOT, Client
from hub_server import TOKEN, Hub, serving
from PIL import Image
from tiny import CLASSES, random_map

from fiancee_hub import FianceePipeline
from fiancee_hub.families.label_maps.bulk import ROUTES
from fiancee_hub.families.label_maps.classes import to_rgb
from fiancee_hub.hub.checkpoints import CONFIG, WEIGHTS
from fiancee_hub.hub.config import read_config
from fiancee_hub.hub.examples import give_domain
from fiancee_hub.hub.saving import CARD

EXAMPLES = ROOT / "examples"
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.fixture
def hub() -> Iterator[Hub]:
    with serving() as running:
        yield running


def without_figures(lines: str) -> list[str]:
    """Numbers and commit hashes differ from run to run."""
    return re.sub(r"\b[0-9a-f]{40}\b|\d[\d.]*", "#", lines).split("\n")


def test_load_call_fine_tune_save_push(hub: Hub, tiny_checkpoint: Path, tmp_path: Path) -> None:
    to_rgb(random_map(1), CLASSES).save(tmp_path / "map.png")
    start = Path(shutil.copytree(tiny_checkpoint, tmp_path / "start"))
    give_domain(start, read_config(start / CONFIG).domain, {"Map": tmp_path / "map.png"})
    words = [str(start), str(tmp_path / "map.png"), "--steps", "3"]
    words += ["--out", str(tmp_path / "mine"), "--push", "user/mine"]
    script = str(EXAMPLES / "own_checkpoint.py")
    client = Client(hub, tmp_path / "home")
    done = client.run(sys.executable, script, *words, HF_TOKEN=TOKEN)
    assert done.returncode == 0, done.stderr
    assert "loaded again: the same picture: True" in done.stdout
    files = hub.files("user/mine")
    assert sorted(set(files) - {".gitattributes"}) == [CARD, CONFIG, "examples/map.png", WEIGHTS]
    assert files[WEIGHTS] == (tmp_path / "mine" / WEIGHTS).read_bytes()
    assert "The router is not calibrated" in files[CARD].decode()
    first, last = (float(word) for word in done.stdout.split("branches: ")[1].split()[:3:2])
    assert last < first
    transcript = README.split("--push user/mine\n")[1].split("\n\n")[0]
    shown = [line.strip() for line in without_figures(transcript)]
    assert shown == without_figures(done.stdout.strip())


def test_the_transcript_is_of_the_checkpoint_that_it_names() -> None:
    (command,) = re.findall(r"own_checkpoint\.py (\S+) (\S+) \\\n", README)
    pipe = FianceePipeline.from_pretrained(ROOT / command[0])
    result = pipe(ROOT / command[1], budget=0.1, seed=0)
    assert f"\n    exit {result.exit} of {pipe.model.exits}, saving {result.saving:.1%}\n" in README


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
    """Ray is in no requirements file: ``pip install -e ".[ray]"``, then ``pytest -k ray``."""
    pytest.importorskip("ray.data", reason="pip install -e '.[ray]' to run the Ray example")
    (tmp_path / "maps").mkdir()
    for index in range(6):
        to_rgb(random_map(index), CLASSES).save(tmp_path / "maps" / f"{index}.png")
    (tmp_path / "maps" / "5.png").write_bytes(b"no picture")
    words = [str(tmp_path / "maps"), str(tmp_path / "out"), "--checkpoint", str(tiny_checkpoint)]
    words += ["--workers", "2", "--maps-a-call", "2"]
    command = [sys.executable, str(EXAMPLES / "ray_stage.py"), *words]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "RAY_USAGE_STATS_ENABLED": "0"}
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=280, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "5.png: " in done.stdout
    assert "6 of 6 maps were to be made" in done.stdout
    assert len((tmp_path / "out" / ROUTES).read_text().splitlines()) == 5
    assert Image.open(tmp_path / "out" / "3.png").size == (96, 64)
