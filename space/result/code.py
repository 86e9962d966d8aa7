"""The Python lines that make the picture on the page, to be copied and run."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from space.page.markup import render
from space.result.facts import exit_name
from space.settings import ROOT

WAITING = "# The lines follow with the finished picture."
LABEL = "Python"


@dataclass(frozen=True)
class Recipe:
    """How an input is made, and how the pipeline is called with it.

    Args:
        checkpoint: what ``from_pretrained`` takes.
        imports: lines of imports, sorted; those of the library last.
        inputs: lines that make the input; ``pipe`` is there already.
        arguments: of the call that makes the picture, budget and exit apart.
    """

    checkpoint: str
    imports: tuple[str, ...]
    inputs: tuple[str, ...]
    arguments: str


def checkpoint_of(pipe: Any) -> str:
    """What ``from_pretrained`` takes to load a pipeline's checkpoint: a repository, or a folder."""
    if pipe.repository:
        return str(pipe.repository)
    return path_of(pipe.loaded_from) if pipe.loaded_from else "your-checkpoint"


def path_of(path: Path) -> str:
    """A file as seen from the project's folder; from elsewhere only its name, not where it is."""
    inside = path.is_relative_to(ROOT)
    return path.relative_to(ROOT).as_posix() if inside else path.name


def lines(recipe: Recipe, budget: float, chosen: int, routed: int, exits: int) -> str:
    """Python that makes a picture and saves it.

    Args:
        recipe: of its input.
        budget: LPIPS.
        chosen: the exit that made it.
        routed: the exit that the budget takes.
        exits: number of exits.
    """
    asked = f"budget={budget:g}" if chosen == routed else f"exit={chosen}"
    return "\n".join(
        (
            *recipe.imports,
            "",
            f'pipe = FianceePipeline.from_pretrained("{recipe.checkpoint}")',
            *recipe.inputs,
            f"result = pipe({recipe.arguments}, {asked})  # {exit_name(chosen, exits).lower()}",
            'result.save("picture.png")',
        )
    )


def shown(text: str) -> str:
    """Lines as HTML, with a button that copies them."""
    return render("snippet.html", id="", template="", label=LABEL, text=text)


def wrapped(name: str, text: str, width: int = 88) -> Iterable[str]:
    """Lines that give a long text a name."""
    yield f"{name} = ("
    room = width - 6
    yield from (f'    "{text[at : at + room]}"' for at in range(0, len(text), room))
    yield ")"
