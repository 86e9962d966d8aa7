"""The documentation: it builds without a warning, and what it tells to run runs."""

import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from hub_client import ROOT

from fiancee_hub import __all__ as public
from fiancee_hub.cli.main import COMMANDS, _parser

DOCS = ROOT / "docs"
CODE = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
WITH_A_SERVER = "gradio_client"
"""What blocks import that call a running demo, which tests of its endpoints do."""


def code_of(page: Path) -> str:
    """All that a page tells to run, in its order."""
    blocks = CODE.findall(page.read_text("utf-8"))
    return "\n".join(block for block in blocks if WITH_A_SERVER not in block)


PAGES = [path for path in (ROOT / "README.md", *sorted(DOCS.rglob("*.md"))) if code_of(path)]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built pages."""
    folder = tmp_path_factory.mktemp("site")
    words = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", str(DOCS), str(folder)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


def test_every_public_name_and_command_is_described(site: Path) -> None:
    python = (site / "reference" / "python.html").read_text("utf-8")
    assert [name for name in public if name not in python] == []
    commands = (site / "reference" / "commands.html").read_text("utf-8")
    assert [name for name in COMMANDS if f'id="{name}"' not in commands] == []


def test_a_reader_asks_no_other_host(site: Path) -> None:
    asked = re.compile(r"""<(?:script|link|img)[^>]+(?:src|href)=["']?(https?://[^"'\s>]+)""")
    for page in site.rglob("*.html"):
        found = {url for url in asked.findall(page.read_text("utf-8")) if "canonical" not in url}
        assert not found, page.name


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_the_code_on_a_page_runs(page: Path, tmp_path: Path) -> None:
    code = code_of(page)
    for name in ("weights_card", "space"):
        (tmp_path / name).symlink_to(ROOT / name)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_every_extra_has_a_purpose_and_a_size() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    rows = re.findall(
        r"^\| `(\w+)` \| .+ \| (\d+) \|$", (DOCS / "index.md").read_text("utf-8"), re.M
    )
    assert sorted(name for name, _ in rows) == sorted(project["optional-dependencies"])
    assert all(int(size) > 0 for _, size in rows)


COMMAND = re.compile(r"^(?:    |)\$? ?(?:python -m fiancee_hub|fiancee-hub) (.+)$", re.MULTILINE)


def commands(page: Path) -> list[list[str]]:
    """Command lines in the blocks of a page, without variables and comments."""
    text = page.read_text("utf-8").replace("\\\n", " ")
    lines = [line for line in COMMAND.findall(text) if "…" not in line]
    return [shlex.split(re.sub(r"\[[^\]]*\]", "", line), comments=True) for line in lines]


TOLD = [
    (page, words)
    for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md")))
    for words in commands(page)
]


def test_commands_are_found() -> None:
    assert {page.stem for page, _ in TOLD} >= {"README", "backends", "training", "embed"}
    assert {words[0] for _, words in TOLD} >= {"info", "generate", "evaluate", "train", "publish"}


@pytest.mark.parametrize(
    ("page", "words"), TOLD, ids=[f"{page.stem}-{words[0]}" for page, words in TOLD]
)
def test_a_command_that_a_page_tells_has_these_options(
    page: Path, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        assert _parser(words).parse_args(words).run
    except SystemExit:
        pytest.fail(f"{page.name}: {' '.join(words)}: {capsys.readouterr().err}")
