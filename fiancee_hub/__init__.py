"""Generation that costs only what the input needs: early exits for trained image generators."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fiancee_hub.errors import CheckpointError, DataError, FianceeError, InputError
    from fiancee_hub.pipelines import Comparison, FianceePipeline, Rendering, Result

__version__ = "0.1.0"

_HOMES = {
    "CheckpointError": "errors",
    "Comparison": "pipelines",
    "DataError": "errors",
    "FianceeError": "errors",
    "FianceePipeline": "pipelines",
    "InputError": "errors",
    "Rendering": "pipelines",
    "Result": "pipelines",
}

__all__ = [
    "CheckpointError",
    "Comparison",
    "DataError",
    "FianceeError",
    "FianceePipeline",
    "InputError",
    "Rendering",
    "Result",
]


def __getattr__(name: str) -> Any:
    """Loads the module of a public name at its first use: importing the package costs nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module 'fiancee_hub' has no attribute '{name}'")
    from importlib import import_module

    return getattr(import_module(f"fiancee_hub.{_HOMES[name]}"), name)
