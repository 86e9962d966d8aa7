"""Pages beside the code say what is true of it."""

import re
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]

import fiancee_hub

ROOT = Path(__file__).resolve().parents[1]


def test_the_citation_has_this_version() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == fiancee_hub.__version__
    assert citation["cff-version"] == "1.2.0"
    assert citation["authors"] and citation["title"] and citation["message"]


def test_the_changes_list_this_version() -> None:
    headings = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0] == "Unreleased"
    assert headings[1] == fiancee_hub.__version__


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "CHANGELOG.md"])
def test_files_that_a_page_names_exist(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    named = re.findall(r"`((?:fiancee_hub|space|tests)/[\w/.]+)`", text)
    linked = [link for link in re.findall(r"\]\(([^)#:]+)\)", text) if link]
    assert linked or named
    for name in (*named, *linked):
        assert (ROOT / name).exists(), name
