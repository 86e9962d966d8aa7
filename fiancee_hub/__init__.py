"""Generation that costs only what the input needs: early exits for trained image generators."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fiancee_hub.core.errors import (
        CheckpointError,
        DataError,
        FianceeError,
        InputError,
        MissingPackageError,
        OutputError,
    )
    from fiancee_hub.families.faces.pipeline import Controls, FacesPipeline, Source
    from fiancee_hub.families.label_maps.pipeline import LabelMapPipeline, StreetsPipeline
    from fiancee_hub.pipeline import AutoPipeline, FianceePipeline
    from fiancee_hub.rendering import Rendering
    from fiancee_hub.results import Comparison, Result

__version__ = "0.1.0"

_HOMES = {
    "AutoPipeline": "pipeline",
    "CheckpointError": "core.errors",
    "Comparison": "results",
    "Controls": "families.faces.pipeline",
    "DataError": "core.errors",
    "FacesPipeline": "families.faces.pipeline",
    "FianceeError": "core.errors",
    "FianceePipeline": "pipeline",
    "InputError": "core.errors",
    "LabelMapPipeline": "families.label_maps.pipeline",
    "MissingPackageError": "core.errors",
    "OutputError": "core.errors",
    "Rendering": "rendering",
    "Result": "results",
    "Source": "families.faces.pipeline",
    "StreetsPipeline": "families.label_maps.pipeline",
}

__all__ = [
    "AutoPipeline",
    "CheckpointError",
    "Comparison",
    "Controls",
    "DataError",
    "FacesPipeline",
    "FianceeError",
    "FianceePipeline",
    "InputError",
    "LabelMapPipeline",
    "MissingPackageError",
    "OutputError",
    "Rendering",
    "Result",
    "Source",
    "StreetsPipeline",
]


def __dir__() -> list[str]:
    """Public names, also those that are not loaded yet, and modules that are."""
    own = {"Any", "TYPE_CHECKING", "_HOMES"}
    return sorted({*globals(), *__all__} - own)


def __getattr__(name: str) -> Any:
    """Loads the module of a public name at its first use: importing the package costs nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module 'fiancee_hub' has no attribute '{name}'")
    from importlib import import_module

    return getattr(import_module(f"fiancee_hub.{_HOMES[name]}"), name)
