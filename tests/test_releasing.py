"""A release is built by one command, and published by a workflow that runs it."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
import yaml  # type: ignore[import-untyped]

import fiancee_hub
from fiancee_hub.cli.main import _parser
from fiancee_hub.hub.checkpoints import CONFIG
from fiancee_hub.hub.config import read_config

ROOT = Path(__file__).resolve().parents[1]
WORKFLOW = ROOT / ".github" / "workflows" / "release.yml"
GUIDE = ROOT / "examples" / "embed"
EMBED = re.compile(r"fiancee_hub (embed .+)$", re.MULTILINE)

# Builds as the real one does; an embed takes minutes, so it is only packed.
PYTHON = """#!{python}
import os, shlex, sys
from zipfile import ZipFile
if sys.argv[1:3] != ["-m", "fiancee_hub"]:
    os.execv("{python}", ["{python}", *sys.argv[1:]])
with ZipFile(sys.argv[-1], "w") as packed:
    packed.writestr("command", shlex.join(sys.argv[3:]))
"""


def recipe() -> str:
    """The lines of ``make release``."""
    found = re.search(r"^release:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert found
    return found[1]


def workflow() -> dict[Any, Any]:
    found: dict[Any, Any] = yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))
    return found


def steps() -> dict[str, dict[str, Any]]:
    """Those of the one job, by their names or what they use."""
    (job,) = workflow()["jobs"].values()
    return {step.get("name") or step["uses"].split("@")[0]: step for step in job["steps"]}


@pytest.mark.parametrize("command", EMBED.findall(recipe()))
def test_every_embed_is_of_a_checkpoint_that_can_be_embedded(command: str) -> None:
    arguments = _parser(command.split()).parse_args(command.split())
    config = read_config(ROOT / arguments.checkpoint / CONFIG)
    assert config.family == "label_maps" and config.exits and config.domain.examples
    assert arguments.out == Path("dist") / f"{Path(arguments.checkpoint).name}-embed.zip"


@pytest.mark.skipif(not shutil.which("make"), reason="there is no make")
def test_one_command_builds_all_files_and_their_digests(tmp_path: Path) -> None:
    ignored = shutil.ignore_patterns("__pycache__", "*.wasm")
    shutil.copytree(ROOT / "fiancee_hub", tmp_path / "fiancee_hub", ignore=ignored)
    for name in ("Makefile", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    for path in ROOT.glob("requirements*.txt"):
        shutil.copy(path, tmp_path)
    python = tmp_path / "venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(PYTHON.format(python=sys.executable))
    python.chmod(0o755)
    (tmp_path / "venv" / "test.stamp").touch()
    command = ["make", "release", "VENV=venv"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    made = {path.name: path for path in (tmp_path / "dist").iterdir()}
    lines = made.pop("SHA256SUMS").read_text().splitlines()
    digests = {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in made.items()}
    assert {name: digest for digest, name in map(str.split, lines)} == digests
    (wheel,) = [name for name in made if name.endswith(".whl")]
    assert wheel.startswith(f"fiancee_hub-{fiancee_hub.__version__}-")
    assert "fiancee_hub/web/static/index.html" in ZipFile(made[wheel]).namelist()
    zips = [path for name, path in made.items() if name.endswith(".zip")]
    packed = {ZipFile(path).read("command").decode() for path in zips}
    assert packed == set(EMBED.findall(recipe()))


def test_only_a_tag_publishes_and_nothing_else_may_be_written() -> None:
    found = workflow()
    assert found[True] == {"push": {"tags": ["v*"]}}  # YAML takes "on" for true.
    assert found["permissions"] == {}
    assert [job["permissions"] for job in found["jobs"].values()] == [{"contents": "write"}]
    assert steps()["actions/checkout"]["with"]["persist-credentials"] is False


def test_actions_are_official_and_pinned() -> None:
    used = [step["uses"] for step in steps().values() if "uses" in step]
    assert used
    assert all(re.fullmatch(r"actions/[\w-]+@[0-9a-f]{40}", action) for action in used)


@pytest.mark.parametrize(("tag", "right"), [("v{}", True), ("v{}.1", False), ("{}", True)])
def test_a_tag_of_another_version_ends_it(tag: str, right: bool) -> None:
    line = steps()["The tag is the version"]["run"]
    environment = {**os.environ, "GITHUB_REF_NAME": tag.format(fiancee_hub.__version__)}
    done = subprocess.run(["bash", "-ec", line], cwd=ROOT, env=environment, check=False)
    assert (done.returncode == 0) is right


@pytest.mark.skipif(not shutil.which("bash"), reason="there is no bash")
def test_what_is_published_is_what_was_built(tmp_path: Path) -> None:
    assert steps()["Build"]["run"] == "make release"
    command = tmp_path / "gh"
    command.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    command.chmod(0o755)
    (tmp_path / "dist").mkdir()
    for name in ("a.whl", "b.zip"):
        (tmp_path / "dist" / name).touch()
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "GITHUB_REF_NAME": "v1.2.3"}
    done = subprocess.run(
        ["bash", "-ec", steps()["Publish"]["run"]],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    words = done.stdout.splitlines()
    assert words[:5] == ["release", "create", "v1.2.3", "dist/a.whl", "dist/b.zip"]
    options = dict(zip(words[6::2], words[7::2], strict=True))
    assert words[5] == "--verify-tag" and options["--title"] == "FIANCEE hub 1.2.3"
    assert (ROOT / options["--notes-file"]).is_file()


def test_the_guide_names_the_files_of_a_release() -> None:
    names = {Path(command.split()[-1]).stem for command in EMBED.findall(recipe())}
    for page in (GUIDE / "README.md", GUIDE / "index.html", ROOT / ".github" / "release.md"):
        named = set(re.findall(r"\b([a-z]+-embed)(?:\.zip|/)", page.read_text(encoding="utf-8")))
        assert named == names, page.name
