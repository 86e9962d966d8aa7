"""The package as people install it: built, and tried with nothing but what it says it needs."""

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
HEAVY = ("gradio", "lpips", "torchvision", "matplotlib", "accelerate", "scipy", "av", "pandas")


def run(
    code: str,
    *words: str,
    options: tuple[str, ...] = (),
    cwd: Path | None = None,
    given: str | None = None,
) -> str:
    """What a fresh interpreter prints; ``given`` is its standard input."""
    command = [sys.executable, *options, "-c", code, *words]
    done = subprocess.run(
        command, input=given, capture_output=True, text=True, timeout=280, cwd=cwd, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_importing_loads_only_what_a_call_needs() -> None:
    """The package nothing; the pipelines' class hardly more than torch and the Hub's mixin."""
    code = f"""
import sys
import fiancee_hub
assert "torch" not in sys.modules
import torch, huggingface_hub.hub_mixin
before = set(sys.modules) | sys.stdlib_module_names
from fiancee_hub import FianceePipeline
print(*sorted(n for n in sys.modules.keys() - before if not n.startswith("PIL")))
import fiancee_hub.families.faces.pipeline, fiancee_hub.families.label_maps.pipeline
print(set({HEAVY!r}) & sys.modules.keys() or "nothing")
"""
    loaded, heavy = run(code, cwd=ROOT).split("\n")
    homes = {".".join(name.split(".")[:2]) for name in loaded.split()}
    assert homes == {f"fiancee_hub.{name}" for name in ("core", "pipeline", "rendering", "results")}
    assert heavy == "nothing"


def test_help_loads_no_torch() -> None:
    code = """
import sys
from fiancee_hub.cli.main import main
try:
    main(["--help"])
except SystemExit:
    print("torch" in sys.modules)
"""
    assert run(code, cwd=ROOT).endswith("False")


def test_type_information_ships() -> None:
    assert (ROOT / "fiancee_hub" / "py.typed").is_file()


BUILD = """
import sys
from setuptools import build_meta
getattr(build_meta, "build_" + sys.argv[1])(sys.argv[2])
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from what the source distribution contains."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("dist")
    ignored = shutil.ignore_patterns("__pycache__", "*.pyc")
    shutil.copytree(ROOT / "fiancee_hub", source / "fiancee_hub", ignore=ignored)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    run(BUILD, "sdist", str(out), cwd=source)
    (archive,) = out.glob("*.tar.gz")
    with tarfile.open(archive) as file:
        file.extractall(out, filter="data")
    run(BUILD, "wheel", str(out), cwd=out / archive.name.removesuffix(".tar.gz"))
    (found,) = out.glob("*.whl")
    return found


def needed(name: str) -> set[str]:
    """A distribution and all that it needs, extras left out."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        current = canonicalize_name(waiting.pop())
        if current in found:
            continue
        found.add(current)
        for text in importlib.metadata.requires(current) or ():
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                waiting.append(requirement.name)
    return found


def link(distributions: set[str], folder: Path) -> None:
    """Links what the distributions installed at top level into a folder."""
    for name in distributions:
        distribution = importlib.metadata.distribution(name)
        for top in {file.parts[0] for file in distribution.files or ()} - {"..", "__pycache__"}:
            target = Path(str(distribution.locate_file(top)))
            if target.exists() and not (folder / top).exists():
                (folder / top).symlink_to(target)


TRY = """
import sys
installed, needed, checkpoint = sys.argv[1:]
sys.path += [installed, needed]
from importlib import metadata, resources
import fiancee_hub
from fiancee_hub import FianceePipeline
from fiancee_hub.cli.main import main
from fiancee_hub.families.label_maps.convert import read_classes
assert fiancee_hub.__file__.startswith(installed), fiancee_hub.__file__
assert metadata.version("fiancee-hub") == fiancee_hub.__version__
package = resources.files("fiancee_hub")
for name in ("py.typed", "assets/LICENSES.txt", "assets/lpips_alex.safetensors",
             "assets/domains/streets.json", "assets/faces/NOTICE"):
    assert (package / name).is_file(), name
assert len(read_classes("coco")) == 183
assert main(["info", checkpoint]) == 0
result = FianceePipeline.from_pretrained(checkpoint)([[0] * 96] * 64, budget=0.1)
assert result.image.size == (96, 64)
exec(sys.stdin.read())
for name in ("gradio", "lpips", "torchvision", "pytest"):
    try:
        __import__(name)
    except ModuleNotFoundError:
        continue
    raise AssertionError(name + " is there: the environment is not empty")
print("works")
"""


@pytest.mark.slow
def test_the_wheel_works_where_nothing_else_is(
    wheel: Path, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    """No site-packages: the wheel, and links to the dependencies that it declares."""
    installed, dependencies = tmp_path / "installed", tmp_path / "dependencies"
    dependencies.mkdir()
    words = ["-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--no-compile"]
    subprocess.run(
        [sys.executable, *words, "--target", str(installed), str(wheel)],
        check=True,
        env=os.environ | {"PIP_DISABLE_PIP_VERSION_CHECK": "1"},
    )
    (metadata,) = installed.glob("*.dist-info")
    declared = importlib.metadata.PathDistribution(metadata).requires or []
    core = [Requirement(text) for text in declared]
    link(
        set().union(*(needed(r.name) for r in core if r.marker is None)),
        dependencies,
    )
    for name in ("weights_card", "space"):
        (tmp_path / name).symlink_to(ROOT / name)
    places = str(installed), str(dependencies), str(tiny_checkpoint)
    readme = (ROOT / "README.md").read_text("utf-8").partition("## From Python")[2]
    needs_no_extra, compares = re.findall(r"^```python\n(.*?)^```", readme, re.M | re.S)[:2]
    assert "compare" not in needs_no_extra and "needs [compare]" in compares
    told = run(TRY, *places, options=("-I", "-S"), cwd=tmp_path, given=needs_no_extra)
    assert told.endswith("works")


def test_core_dependencies_are_few_and_not_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    core = [Requirement(text) for text in project["dependencies"]]
    assert {requirement.name for requirement in core} == {
        "huggingface-hub",
        "numpy",
        "pillow",
        "safetensors",
        "torch",
        "tqdm",
    }
    for requirement in core:
        assert [part.operator for part in requirement.specifier] == [">="]
    assert {"demo", "train", "faces", "evaluate", "compare"} <= set(
        project["optional-dependencies"]
    )
