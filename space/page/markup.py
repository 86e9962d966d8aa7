"""HTML from the ``templates`` folders of the screens; what is put in is escaped."""

from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

ROOT = Path(__file__).parents[1]


@cache
def _environment() -> Environment:
    folders = sorted(ROOT.glob("*/templates"))
    return Environment(
        loader=FileSystemLoader(folders),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render(name: str, /, **values: Any) -> Markup:
    """A template, such as ``facts.html``, filled in."""
    return Markup(_environment().get_template(name).render(**values))
