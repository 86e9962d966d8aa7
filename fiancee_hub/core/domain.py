"""A domain: one data set of a family, as far as a checkpoint carries it (config.json, format 2)."""

from collections.abc import Mapping
from dataclasses import dataclass, field

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class ClassEntry:
    """One semantic class: its id in label maps, its name and its colour (0 to 255 each)."""

    id: int
    name: str
    colour: Colour


@dataclass(frozen=True)
class Example:
    """An example input that lies beside config.json.

    Args:
        file: path below the checkpoint's folder, such as ``examples/1-terrace.png``.
        sha256: of the file.
        title: what it shows.
    """

    file: str
    sha256: str
    title: str


@dataclass(frozen=True)
class Domain:
    """What a checkpoint says about the data that it was trained on.

    Args:
        name: short, such as ``streets``; the demo's links and files are named by it.
        title: heading of the demo's tab and of the card, such as "Streets".
        summary: one sentence: what goes in, what comes out.
        aliases: further colours that stand for a class in label maps, by the class's name.
        unknown: id of the class of pixels that nobody labelled; None where there is none.
        limits: sentences on what it cannot do and must not be used for.
        licence: the Hub's short name of the terms of the weights.
        licence_name: name of the terms if ``licence`` is "other".
        terms: the same in a sentence.
        sources: data sets behind the weights, each with its citation and terms, a sentence each.
        held_out: what its figures are measured on, as in "persons whom no training phase saw".
        examples: example inputs.
    """

    name: str = ""
    title: str = ""
    summary: str = ""
    aliases: Mapping[str, tuple[Colour, ...]] = field(default_factory=dict)
    unknown: int | None = None
    limits: tuple[str, ...] = ()
    licence: str = "other"
    licence_name: str = ""
    terms: str = ""
    sources: tuple[str, ...] = ()
    held_out: str = ""
    examples: tuple[Example, ...] = ()
