"""Gradio without its stub files. At every import it parses the source of each component anew and
writes down for editors which events it has, which takes as long as all else that it imports."""

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

COMPONENT = "ComponentMeta"
"""Type of Gradio's classes of components, which cannot be imported before Gradio is."""


@contextmanager
def unwritten() -> Iterator[None]:
    """Import Gradio within: its components have no source file meanwhile, and so no stub."""
    where: Any = inspect
    file_of = inspect.getfile

    def file_unless_component(thing: Any) -> str:
        if type(thing).__name__ == COMPONENT:
            raise OSError("no stub file is wanted")
        return file_of(thing)

    where.getfile = file_unless_component
    try:
        yield
    finally:
        where.getfile = file_of
