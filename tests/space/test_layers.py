"""Imports within the demo point down: demo, tools, screens, result, page, texts."""

import ast
from pathlib import Path

from space.settings import ROOT

LAYERS = (
    ("space.demo", "space.tools"),
    ("space.screens",),
    ("space.label_maps", "space.faces"),
    ("space.result",),
    ("space.page",),
    ("space.texts", "space.settings", "space.uploads"),
)
"""From the top; those of one layer do not import each other."""


def layer_of(module: str) -> tuple[int, str] | None:
    """Number and member of the layer that a module is in."""
    for number, members in enumerate(LAYERS):
        for member in members:
            if f"{module}.".startswith(f"{member}."):
                return number, member
    return None


def imported(path: Path) -> set[str]:
    """Modules of the demo that a file imports."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{name.name}" for name in node.names)}
    return {name for name in found if layer_of(name)}


def test_imports_point_down() -> None:
    wrong = []
    for path in (ROOT / "space").rglob("*.py"):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        here = layer_of(module.removesuffix(".__init__"))
        for name in imported(path) if here else ():
            there = layer_of(name)
            assert here and there
            if there[0] < here[0] or (there[0] == here[0] and there[1] != here[1]):
                wrong.append(f"{module} imports {name}")
    assert wrong == []
