"""Generation that costs only what the input needs: early exits for trained image generators."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fiancee_hub.errors import CheckpointError, DataError, FianceeError, InputError
    from fiancee_hub.face_pipeline import Controls, FacesPipeline, Source
    from fiancee_hub.pipelines import Comparison, FianceePipeline, Rendering, Result
    from fiancee_hub.street_pipeline import StreetsPipeline

__version__ = "0.1.0"

_HOMES = {
    "CheckpointError": "errors",
    "Comparison": "pipelines",
    "Controls": "face_pipeline",
    "DataError": "errors",
    "FacesPipeline": "face_pipeline",
    "FianceeError": "errors",
    "FianceePipeline": "pipelines",
    "InputError": "errors",
    "Rendering": "pipelines",
    "Result": "pipelines",
    "Source": "face_pipeline",
    "StreetsPipeline": "street_pipeline",
}

__all__ = [
    "CheckpointError",
    "Comparison",
    "Controls",
    "DataError",
    "FacesPipeline",
    "FianceeError",
    "FianceePipeline",
    "InputError",
    "Rendering",
    "Result",
    "Source",
    "StreetsPipeline",
]


def __getattr__(name: str) -> Any:
    """Loads the module of a public name at its first use: importing the package costs nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module 'fiancee_hub' has no attribute '{name}'")
    from importlib import import_module

    return getattr(import_module(f"fiancee_hub.{_HOMES[name]}"), name)
