"""The notebook runs from top to bottom, shows pictures, and is kept without outputs."""

from typing import Any

import nbformat
from hub_client import ROOT
from nbclient import NotebookClient

NOTEBOOK = ROOT / "examples" / "quickstart.ipynb"


def read() -> Any:
    return nbformat.reads(NOTEBOOK.read_text("utf-8"), as_version=4)  # type: ignore[no-untyped-call]


def test_outputs_are_cleared() -> None:
    code = [cell for cell in read().cells if cell.cell_type == "code"]
    assert code
    assert not any(cell.outputs or cell.execution_count for cell in code)


def test_every_cell_runs_and_shows_something() -> None:
    notebook = read()
    place = {"metadata": {"path": str(NOTEBOOK.parent)}}
    NotebookClient(notebook, timeout=240, kernel_name="python3", resources=place).execute()
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(cell.outputs for cell in code)
    kinds = [set(output.get("data", {})) for cell in code for output in cell.outputs]
    assert sum("image/png" in kind for kind in kinds) >= 4
    assert any("text/html" in kind for kind in kinds)
