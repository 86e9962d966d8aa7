"""Settings of the backbone's training by name, for trials that change one thing."""

from collections.abc import Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any

from fiancee_hub.core.errors import InputError
from fiancee_hub.training.task import Task

SWITCHES = {"true": True, "false": False}


def with_settings(task: Task, words: Sequence[str]) -> Task:
    """The task with other settings.

    Args:
        task: a dataclass with ``settings``.
        words: ``NAME=VALUE``; settings within settings as ``augmentation.translation=0.1``.

    Raises:
        InputError: there is no such setting, or the value does not fit.
    """
    settings: Any = getattr(task, "settings", None)
    if words and settings is None:
        raise InputError(f"--set {words[0]}: this family's training has no settings")
    for word in words:
        name, _, value = word.partition("=")
        settings = _changed(settings, name.split("."), value, word)
    return replace(task, settings=settings) if words else task  # type: ignore[type-var]


def _changed(settings: Any, names: list[str], value: str, word: str) -> Any:
    first, *rest = names
    known = {field.name for field in fields(settings)}
    if first not in known or (rest and not is_dataclass(getattr(settings, first))):
        raise InputError(f"--set {word}: choose one of {', '.join(sorted(known))}")
    old = getattr(settings, first)
    new = _changed(old, rest, value, word) if rest else _parsed(value, old, word)
    return replace(settings, **{first: new})


def _parsed(value: str, old: Any, word: str) -> Any:
    """The value in the type of the one it replaces."""
    if isinstance(old, bool):
        if value not in SWITCHES:
            raise InputError(f"--set {word}: give true or false")
        return SWITCHES[value]
    if is_dataclass(old):
        parts = ", ".join(field.name for field in fields(old))
        raise InputError(f"--set {word}: name a part of it, one of {parts}, after a dot")
    try:
        return type(old)(value)
    except ValueError:
        raise InputError(f"--set {word}: {value!r} is no number that fits") from None
