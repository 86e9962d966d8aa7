"""What the demo says, one markdown file a passage."""

from pathlib import Path


def read(name: str) -> str:
    return (Path(__file__).parent / f"{name}.md").read_text(encoding="utf-8")
