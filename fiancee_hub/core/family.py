"""Generator families: what each brings, and the table of those that exist.

A *family* is an architecture with its inputs. Everything outside its folder asks the registry, so
that a new family is one folder and one line here.
"""

from argparse import Namespace
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from PIL import Image

    from fiancee_hub.core.exits import Trunk
    from fiancee_hub.core.recipe import GeneratorConfig, Recipe


_HOMES = {
    "label_maps": "fiancee_hub.families.label_maps.family",
    "faces": "fiancee_hub.families.faces.family",
}
"""Module of each family, which holds its ``FAMILY``; loaded at first use."""

FORMER_NAMES = {"oasis": "label_maps", "portraits": "faces"}
"""What format 1 of the checkpoints calls the families."""


@dataclass(frozen=True)
class Option:
    """An option of ``generate`` and ``compare`` that only some families have.

    Args:
        flag: such as ``--seed``.
        kind: from the text given to the value; ``bool`` takes no text and means True.
        help: what it does.
        default: the value where it is not given.
        commands: those that take it.
    """

    flag: str
    kind: Callable[[str], Any]
    help: str
    default: Any = None
    commands: tuple[str, ...] = ("generate", "compare")

    @property
    def name(self) -> str:
        """Of the value among the parsed arguments."""
        return self.flag.removeprefix("--").replace("-", "_")


class Commands(Protocol):
    """What a family does on the command line; a module will do."""

    def generate(self, pipe: Any, arguments: Namespace) -> int:
        """Writes what ``arguments.source`` gives to ``arguments.out``; returns the exit code."""

    def compare(self, pipe: Any, arguments: Namespace) -> "tuple[dict[str, Image.Image], Any]":
        """The inputs as the model sees them, by heading, and the ``Comparison``."""


@dataclass(frozen=True)
class Family:
    """What an architecture brings.

    Whatever needs torch is behind a function, which imports it when it is called: the family of a
    checkpoint and its options are known at once.

    Args:
        name: as in config.json.
        config: class of the generator's shape; its fields are what config.json lists.
        check: raises ``FieldError`` for a shape that no real model has, before one is built.
        trunk: builds the trunk of such a shape, with fresh weights.
        pipeline: the class that users call, a subclass of ``FianceePipeline``.
        is_data: whether a folder holds data of the family, prepared or as its users have it.
        task: from a ``TrainingRequest`` to the ``Task`` of ``training.task``.
        prepare: brings data as users have it into the layout that ``task`` reads, from a
            ``TrainingRequest`` into a folder; None where there is only one layout.
        evaluation: its ``EvaluationParts``.
        card: what its model cards say, ``CardParts``.
        recipes: the generators that we train, and published ones (no branches), by name.
        inputs: what the command line takes as source, such as "a label map".
        commands: its part of the command line.
        options: further options of ``generate`` and ``compare``.
        exportable: whether its graphs can be written as ONNX.
        writes: endings of the files that ``generate`` may write.
    """

    name: str
    config: "type[GeneratorConfig]"
    check: Callable[[Any], None]
    trunk: "Callable[[Any], Trunk]"
    pipeline: Callable[[], type[Any]]
    is_data: Callable[[Path], bool]
    task: Callable[[Any], Any]
    evaluation: Callable[[], Any]
    card: Callable[[], Any]
    recipes: "Callable[[], Mapping[str, Recipe]]"
    inputs: str
    commands: Callable[[], Commands]
    options: tuple[Option, ...] = ()
    writes: tuple[str, ...] = ()
    prepare: Callable[[Any, Path], None] | None = None
    exportable: bool = False


def names() -> tuple[str, ...]:
    """Names of all families."""
    return tuple(_HOMES)


@cache
def family(name: str) -> Family:
    """The family of that name; format 1's names are understood.

    Raises:
        KeyError: there is none.
    """
    found: Family = import_module(_HOMES[FORMER_NAMES.get(name, name)]).FAMILY
    return found


def of_data(folder: Path) -> Family | None:
    """The family whose data a folder holds; None if it is no family's."""
    return next((found for found in map(family, names()) if found.is_data(folder)), None)


def register(name: str, module: str) -> None:
    """Adds a family that lives outside this package.

    Args:
        name: as config.json is to call it.
        module: dotted name of the module that holds its ``FAMILY``.
    """
    _HOMES[name] = module
    family.cache_clear()
