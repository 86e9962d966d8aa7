"""Fields of config.json read as typed values, with errors that name the field."""

import dataclasses
import types
from collections.abc import Mapping
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints


class FieldError(Exception):
    """A field that is missing, unknown, of the wrong type or out of bounds."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(problem)
        self.field = field or "(top)"


def parse(kind: Any, value: Any, field: str) -> Any:
    """``value`` as ``kind``: a dataclass, tuple, mapping, Literal, optional or plain type.

    Args:
        kind: the type.
        value: what ``json`` read.
        field: where it stands, such as ``exits[0].stage``.

    Raises:
        FieldError: it does not fit.
    """
    origin, inner = get_origin(kind), get_args(kind)
    if dataclasses.is_dataclass(kind):
        return parse_dataclass(kind, value, field)
    if origin in (Union, types.UnionType):
        if value is None and type(None) in inner:
            return None
        return parse(next(k for k in inner if k is not type(None)), value, field)
    if origin is Literal:
        if value not in inner:
            raise FieldError(field, f"is {value!r}, not one of {list(inner)}")
        return value
    if origin is tuple:
        return _parse_tuple(inner, value, field)
    if origin in (dict, Mapping):
        _expect(value, dict, field)
        return {key: parse(inner[1], item, f"{field}.{key}") for key, item in value.items()}
    return _parse_plain(kind, value, field)


def parse_dataclass(kind: Any, value: Any, field: str, **kinds: Any) -> Any:
    """``value`` as a dataclass; ``kinds`` are types of fields that its annotations leave open."""
    _expect(value, dict, field)
    hints = get_type_hints(kind) | kinds
    prefix = f"{field}." if field else ""
    known = {f.name: f for f in dataclasses.fields(kind)}
    for name in value:
        if name not in known:
            raise FieldError(prefix + name, "is unknown")
    arguments = {}
    for name, entry in known.items():
        if name in value:
            arguments[name] = parse(hints[name], value[name], prefix + name)
        elif entry.default is dataclasses.MISSING and entry.default_factory is dataclasses.MISSING:
            raise FieldError(prefix + name, "is missing")
    return kind(**arguments)


def bound(field: str, value: float, low: float, high: float) -> None:
    """Raises a FieldError if ``value`` is not within ``low`` and ``high``."""
    if not low <= value <= high:
        raise FieldError(field, f"is {value}, out of bounds ({low} to {high})")


def check_size(field: str, size: int, shrink: int) -> None:
    """Raises a FieldError if no picture of that side can be made in stages that shrink it."""
    bound(field, size, shrink, 2048)
    if size % shrink:
        raise FieldError(field, f"is {size}, no multiple of {shrink}")


def _parse_plain(kind: type, value: Any, field: str) -> Any:
    if kind is float and type(value) is int and abs(value) < 2**63:
        return float(value)
    _expect(value, kind, field)
    if kind is float and not abs(value) < float("inf"):
        raise FieldError(field, "is no finite number")
    return value


def _parse_tuple(inner: tuple[Any, ...], value: Any, field: str) -> tuple[Any, ...]:
    _expect(value, list, field)
    kinds = [inner[0]] * len(value) if inner[-1] is Ellipsis else list(inner)
    if len(kinds) != len(value):
        raise FieldError(field, f"has {len(value)} values, not {len(kinds)}")
    return tuple(
        parse(kind, item, f"{field}[{index}]")
        for index, (kind, item) in enumerate(zip(kinds, value, strict=True))
    )


def _expect(value: Any, kind: type, field: str) -> None:
    if type(value) is not kind:
        raise FieldError(field, f"is a {type(value).__name__}, not a {kind.__name__}")
