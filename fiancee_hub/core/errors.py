"""Errors that a user can act on. Their message is one sentence naming the fix."""


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


def missing_package(package: str, extra: str) -> MissingPackageError:
    """The error for a package that is not installed, with the command that installs it."""
    return MissingPackageError(f'{package} is not installed: pip install "fiancee-hub[{extra}]"')
