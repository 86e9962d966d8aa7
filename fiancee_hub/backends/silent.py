"""OpenVINO without its telemetry.

Importing it and converting a model report to its makers, from a process of their own for each
report, in which the caller's main module may be run once more. Nobody who asks for a faster picture
has agreed to that.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

TELEMETRY = "openvino_telemetry"

REPORTING = ("openvino", "openvino.tools.ovc.convert_impl")
"""Modules that choose at their import whom they report to."""


def openvino() -> Any:
    """The package. Where somebody else has imported it before, it is as they have it.

    Raises:
        ModuleNotFoundError: it is not installed.
    """
    if "openvino" not in sys.modules:
        with _absent(TELEMETRY):
            for name in REPORTING:
                import_module(name)
    return import_module("openvino")


@contextmanager
def _absent(name: str) -> Iterator[None]:
    """Imports of a package fail meanwhile: OpenVINO then has a stand-in that does nothing."""
    known, missing = sys.modules.get(name), name not in sys.modules
    sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        if missing:
            del sys.modules[name]
        elif known is not None:
            sys.modules[name] = known
