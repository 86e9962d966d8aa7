"""What training has to know of a data folder's classes, as its classes.json says.

[{"name", "colour"}, ...]    the classes in the order of their ids, or names alone
{"classes": [...],           the same
 "unknown": "void",          name or id of the class of pixels that nobody labelled
 "part_of": {"window": "wall"},    classes that some maps leave out, and what is there then
 "instead": {"wall": ["door"]},    what somebody would paint each class over with
 "people": ["rider"],        classes that show people, who did not ask to be on a model card
 "domain": {"title": …},     what a checkpoint says of the data, as in its config.json
 "films": false,             pictures with numbers are single ones, not neighbouring frames
 "private": true,            neither photographs nor label maps go into a checkpoint's folder
 "size": [256, 512]}         height and width of the pictures to make
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fiancee_hub.core.domain import Domain
from fiancee_hub.core.errors import DataError
from fiancee_hub.families.label_maps.classes import ClassEntry
from fiancee_hub.families.label_maps.convert import parse_classes
from fiancee_hub.hub.config import check_domain
from fiancee_hub.hub.fields import FieldError, parse

TABLE, EXAMPLES = "classes.json", "examples"
NO_LABEL = "unknown"
"""A class of this name counts as unknown unless the table says otherwise."""

Draw = Callable[[tuple[int, int], np.random.Generator], NDArray[np.uint8]]
"""Draws a label map of a size (height, width) from scratch."""


@dataclass(frozen=True)
class ClassTable:
    """The classes of a data folder.

    Args:
        entries: in the order of their ids.
        unknown: id of the class that no loss asks for; None if there is none.
        part_of: ids of classes that some maps leave out, and of what is there instead.
        size: height and width of the pictures to make; None leaves it to the recipe.
        instead: ids of the classes that somebody would paint each class over with.
        people: ids of the classes that show people.
        about: what a checkpoint trained on the data is to say of it; None if nobody has said.
        private: the data may not be shown: nothing of it goes into a checkpoint's folder.
        films: pictures whose names differ in their numbers alone are frames of one film.
    """

    entries: tuple[ClassEntry, ...]
    unknown: int | None = None
    part_of: Mapping[int, int] = field(default_factory=dict)
    size: tuple[int, int] | None = None
    instead: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    people: tuple[int, ...] = ()
    about: Domain | None = None
    private: bool = False
    films: bool = True

    def to_json(self) -> str:
        content: dict[str, Any] = {
            "classes": [asdict(entry) for entry in self.entries],
            "unknown": self.unknown,
            "part_of": dict(self.part_of),
            "size": self.size,
        }
        if self.instead:
            content["instead"] = {old: list(new) for old, new in self.instead.items()}
        if self.people:
            content["people"] = list(self.people)
        if self.private:
            content["private"] = True
        if not self.films:
            content["films"] = False
        if self.about:
            content["domain"] = asdict(self.about)
        return json.dumps(content, indent=1) + "\n"


@dataclass(frozen=True)
class MapDomain:
    """What is known of a data set beyond what lies in its folder, told by its classes.

    Args:
        table: its classes; fills in what a folder's own table leaves out.
        draw: label maps of these classes as visitors draw them; None if nobody can.
    """

    table: ClassTable
    draw: Draw | None = None


def domain_of(entries: tuple[ClassEntry, ...], domains: Sequence[MapDomain]) -> MapDomain | None:
    """The domain with these very classes; None if none has them."""
    return next((domain for domain in domains if domain.table.entries == entries), None)


def read_json(path: Path) -> Any:
    """The content of a JSON file.

    Raises:
        DataError: it is missing or no JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path} cannot be read: {error}") from error


def read_table(path: Path, domains: Sequence[MapDomain] = ()) -> ClassTable:
    """The table in a classes.json.

    Args:
        path: the file.
        domains: what is known of the classes, where the file leaves it out.

    Raises:
        DataError, InputError: naming the file and what is wrong with it.
    """
    raw = read_json(path)
    return parse_table(raw if isinstance(raw, dict) else {"classes": raw}, path, domains)


def parse_table(
    raw: Mapping[str, Any], path: Path, domains: Sequence[MapDomain] = ()
) -> ClassTable:
    """The table that the content of ``path`` describes; fields of no concern here are ignored."""
    entries = parse_classes(raw.get("classes"), str(path))
    known = domain_of(entries, domains)
    default = known.table if known else ClassTable(entries, _named(entries, NO_LABEL))
    parts = _object(raw, "part_of", path)
    instead = _object(raw, "instead", path)
    return ClassTable(
        entries,
        _id_or_none(raw["unknown"], entries, path) if "unknown" in raw else default.unknown,
        default.part_of
        if parts is None
        else {
            class_id(part, entries, path, "part_of"): class_id(whole, entries, path, "part_of")
            for part, whole in parts.items()
        },
        _size(raw.get("size"), path),
        default.instead
        if instead is None
        else {
            class_id(old, entries, path, "instead"): _ids(new, entries, path, "instead")
            for old, new in instead.items()
        },
        _ids(raw["people"], entries, path, "people") if "people" in raw else default.people,
        _domain(raw["domain"], entries, path) if "domain" in raw else None,
        _flag(raw, "private", path),
        _flag(raw, "films", path, default=True),
    )


def _domain(value: Any, entries: tuple[ClassEntry, ...], path: Path) -> Domain:
    try:
        domain: Domain = parse(Domain, value, "domain")
        check_domain(domain, entries)
    except FieldError as error:
        raise DataError(f'{path}: field "{error.field}" {error}') from None
    return domain


def _named(entries: tuple[ClassEntry, ...], name: str) -> int | None:
    return next((entry.id for entry in entries if entry.name == name), None)


def _flag(raw: Mapping[str, Any], name: str, path: Path, *, default: bool = False) -> bool:
    value = raw.get(name, default)
    if not isinstance(value, bool):
        raise DataError(f'{path}: "{name}" is {value!r}: give true or false')
    return value


def _object(raw: Mapping[str, Any], name: str, path: Path) -> dict[str, Any] | None:
    """A field that is an object; None if it is left out."""
    if name not in raw:
        return None
    value = raw[name] or {}
    if not isinstance(value, dict):
        raise DataError(f'{path}: "{name}" is no object of class names')
    return value


def _id_or_none(value: Any, entries: tuple[ClassEntry, ...], path: Path) -> int | None:
    return None if value is None else class_id(value, entries, path, "unknown")


def _ids(value: Any, entries: tuple[ClassEntry, ...], path: Path, where: str) -> tuple[int, ...]:
    if not isinstance(value, list):
        raise DataError(f'{path}: "{where}" has no list of class names')
    return tuple(class_id(item, entries, path, where) for item in value)


def class_id(value: Any, entries: tuple[ClassEntry, ...], path: Path, where: str) -> int:
    """The id of a class given by id or by name.

    Raises:
        DataError: there is no such class.
    """
    for entry in entries:
        if entry.name == value or (entry.id == value and type(value) is int):
            return entry.id
    if isinstance(value, str) and value.isdecimal() and int(value) < len(entries):
        return int(value)
    raise DataError(f'{path}: "{where}" names {value!r}, which is no class of the table')


def _size(value: Any, path: Path) -> tuple[int, int] | None:
    if value is None:
        return None
    if not isinstance(value, list) or [type(side) for side in value] != [int, int]:
        raise DataError(f'{path}: "size" is {value!r}: give [height, width] in pixels')
    return value[0], value[1]
