"""What training has to know of a data folder's classes, as its classes.json says.

[{"name", "colour"}, ...]    the classes in the order of their ids, or names alone
{"classes": [...],           the same
 "unknown": "void",          name or id of the class of pixels that nobody labelled
 "part_of": {"lane marking": "road"},    classes that some maps leave out, and what is there then
 "size": [256, 512]}         height and width of the pictures to make
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from fiancee_hub.core.errors import DataError
from fiancee_hub.domains.streets.classes import LANE_MARKING, ROAD, STREETS, UNKNOWN
from fiancee_hub.families.label_maps.classes import ClassEntry
from fiancee_hub.families.label_maps.convert import parse_classes

TABLE = "classes.json"
NO_LABEL = "unknown"
"""A class of this name counts as unknown unless the table says otherwise."""


@dataclass(frozen=True)
class ClassTable:
    """The classes of a data folder.

    Args:
        entries: in the order of their ids.
        unknown: id of the class that no loss asks for; None if there is none.
        part_of: ids of classes that some maps leave out, and of what is there instead.
        size: height and width of the pictures to make; None leaves it to the recipe.
    """

    entries: tuple[ClassEntry, ...]
    unknown: int | None = None
    part_of: Mapping[int, int] = field(default_factory=dict)
    size: tuple[int, int] | None = None

    @property
    def drawable(self) -> bool:
        """Whether ``training.drawings`` knows these classes."""
        return self.entries == STREETS

    def to_json(self) -> str:
        content = {
            "classes": [asdict(entry) for entry in self.entries],
            "unknown": self.unknown,
            "part_of": dict(self.part_of),
            "size": self.size,
        }
        return json.dumps(content, indent=1) + "\n"


STREETS_TABLE = ClassTable(STREETS, UNKNOWN, {LANE_MARKING: ROAD})


def read_json(path: Path) -> Any:
    """The content of a JSON file.

    Raises:
        DataError: it is missing or no JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path} cannot be read: {error}") from error


def read_table(path: Path) -> ClassTable:
    """The table in a classes.json.

    Raises:
        DataError, InputError: naming the file and what is wrong with it.
    """
    raw = read_json(path)
    return parse_table(raw if isinstance(raw, dict) else {"classes": raw}, path)


def parse_table(raw: Mapping[str, Any], path: Path) -> ClassTable:
    """The table that the content of ``path`` describes; fields of no concern here are ignored."""
    entries = parse_classes(raw.get("classes"), str(path))
    if entries == STREETS and "unknown" not in raw and "part_of" not in raw:
        return ClassTable(entries, UNKNOWN, STREETS_TABLE.part_of, _size(raw.get("size"), path))
    named = any(entry.name == NO_LABEL for entry in entries)
    unknown = raw.get("unknown", NO_LABEL if named else None)
    parts = raw.get("part_of") or {}
    if not isinstance(parts, dict):
        raise DataError(f'{path}: "part_of" is no object of class names')
    return ClassTable(
        entries,
        None if unknown is None else class_id(unknown, entries, path, "unknown"),
        {
            class_id(part, entries, path, "part_of"): class_id(whole, entries, path, "part_of")
            for part, whole in parts.items()
        },
        _size(raw.get("size"), path),
    )


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
