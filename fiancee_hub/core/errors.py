"""Errors that a user can act on. Their message is one sentence naming the fix."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec


class FianceeError(Exception):
    """Base of every error this package raises on purpose."""


class InputError(FianceeError, ValueError):
    """A label map, picture, budget or seed that cannot be used."""


class CheckpointError(FianceeError, ValueError):
    """A checkpoint that is missing, damaged or contradicts its own config."""


class DataError(FianceeError, ValueError):
    """A training or evaluation folder that does not have the expected layout."""


class MissingPackageError(FianceeError, ModuleNotFoundError):
    """A package that comes with one of this one's extras."""


class OutputError(FianceeError, OSError):
    """A file that could not be written as a whole."""


@contextmanager
def about(item: str) -> Iterator[None]:
    """What is wrong with an input says which of several it is."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{item}: {error}") from error


def missing_package(package: str, extra: str) -> MissingPackageError:
    """The error for a package that is not installed, with the command that installs it."""
    return MissingPackageError(f'{package} is not installed: pip install "fiancee-hub[{extra}]"')


def need(packages: Iterable[str], extra: str) -> None:
    """Raises a MissingPackageError for the first package that is not installed: before long work,
    not in its middle."""
    for package in packages:
        if not is_installed(package):
            raise missing_package(package, extra)


def is_installed(package: str) -> bool:
    """Whether a package is there to be imported."""
    try:
        return find_spec(package) is not None
    except ValueError:  # its place among the modules is taken by something that is no module
        return False
