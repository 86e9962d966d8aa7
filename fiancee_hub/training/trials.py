"""Settings of the training by name, for trials that change one thing."""

from collections.abc import Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any

from fiancee_hub.core.errors import InputError
from fiancee_hub.core.exits import ExitConfig
from fiancee_hub.hub.info import in_order
from fiancee_hub.training.task import Task

SWITCHES = {"true": True, "false": False}
BRANCHES = "branches."


def with_settings(task: Task, words: Sequence[str]) -> Task:
    """The task with other settings.

    Args:
        task: a dataclass with ``settings``, of its backbone, and ``branches``.
        words: ``NAME=VALUE``; settings within settings as ``augmentation.translation=0.1``, those
            of the branches as ``branches.adversarial_share=0.5``.

    Raises:
        InputError: there is no such setting, or the value does not fit.
    """
    for word in words:
        part = "branches" if word.startswith(BRANCHES) else "settings"
        settings = getattr(task, part, None)
        if settings is None:
            raise InputError(f"--set {word}: this family's training has no settings")
        name, _, value = word.removeprefix(BRANCHES).partition("=")
        changed = _changed(settings, name.split("."), value, word)
        task = replace(task, **{part: changed})  # type: ignore[type-var]
    return task


def with_exits(task: Task, exits: tuple[ExitConfig, ...]) -> Task:
    """The task with other exits, cheapest first.

    Args:
        task: a dataclass with ``recipe``.
        exits: in any order.

    Raises:
        InputError: the generator has no branch after one of the stages.
    """
    ordered = in_order(task.config(), exits)
    return replace(task, recipe=replace(task.recipe, exits=ordered))  # type: ignore[type-var]


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
