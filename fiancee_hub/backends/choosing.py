"""Which backend runs a checkpoint: by name, or the one that the measured table says pays."""

import json
import logging
from collections.abc import Mapping
from functools import cache, partial
from typing import Any

import torch

from fiancee_hub.backends.runners import CompiledRunner, UnitRunner
from fiancee_hub.core.assets import read_asset
from fiancee_hub.core.errors import InputError, is_installed, missing_package
from fiancee_hub.core.exits import EarlyExitModel, Runner

logger = logging.getLogger(__name__)

AUTO, EAGER = "auto", "eager"

NAMES = (AUTO, EAGER, "compile", "onnxruntime", "openvino")
"""What ``from_pretrained(backend=)`` takes."""

PACKAGES = {
    "onnxruntime": {"onnxruntime": "onnxruntime", "onnx": "export", "onnxscript": "export"},
    "openvino": {"openvino": "openvino"},
}
"""Packages of each backend, with the extra that installs them."""

DTYPES = {
    "onnxruntime": (torch.float32,),
    "openvino": (torch.float32, torch.bfloat16),
}
"""What each backend calculates in; the others take any type on any device."""

TABLE = "backends.json"
"""Of the package's assets: what ``benchmarks/exits.py --backends … --write`` measured."""

PICTURES = 100
"""So many pictures of each exit must have paid for a backend's preparation before it is chosen."""


def check_backend(name: Any) -> str:
    """Returns ``name``.

    Raises:
        InputError: there is no such backend.
        MissingPackageError: its package is not installed.
    """
    if name not in NAMES:
        raise InputError(f"there is no backend {name!r}: choose {', '.join(NAMES)}")
    package = _missing(name)
    if package is not None:
        raise missing_package(package, PACKAGES[name][package])
    found: str = name
    return found


def check_place(name: str, device: torch.device, dtype: torch.dtype) -> None:
    """Whether a backend can run there.

    Raises:
        InputError: it cannot; the message says what to do.
    """
    if name not in DTYPES:
        return
    if device.type != "cpu":
        raise InputError(
            f"the backend {name!r} runs on the processor only: leave device= out, or take "
            "backend='eager'"
        )
    if dtype not in DTYPES[name]:
        kinds = " or ".join(str(known) for known in DTYPES[name])
        raise InputError(
            f"the backend {name!r} calculates in {kinds}, not in {dtype}: take one of them, or "
            "backend='eager'"
        )
    if dtype == torch.bfloat16 and not _has_bfloat16():
        raise InputError(
            "this processor does not calculate in bfloat16: leave dtype= out, or take "
            "backend='eager'"
        )


def runner_of(name: str, model: EarlyExitModel, dtype: torch.dtype) -> Runner | None:
    """What runs stages and branches; None for the model itself.

    OpenVINO and ONNX Runtime use as many threads as PyTorch does now.

    Args:
        name: of a backend that ``check_backend`` and ``check_place`` let pass, not ``"auto"``.
        model: float32, on the CPU, for OpenVINO and ONNX Runtime.
        dtype: to calculate in.
    """
    if name == EAGER:
        return None
    if name == "compile":
        return CompiledRunner(model)
    from fiancee_hub.backends import units

    threads = torch.get_num_threads()
    if name == "onnxruntime":
        return UnitRunner(model, partial(units.OnnxRuntimeUnit, threads=threads))
    precision = "bf16" if dtype == torch.bfloat16 else "f32"
    return UnitRunner(model, partial(units.OpenVinoUnit, threads=threads, precision=precision))


def run_in(
    model: EarlyExitModel, name: str, device: torch.device, dtype: torch.dtype
) -> Runner | None:
    """Moves a model to where a backend wants it, and makes what runs it there.

    Raises:
        InputError: the backend cannot run there.
    """
    check_place(name, device, dtype)
    # Other runtimes read float32 weights, and round them themselves.
    model.to(device=device, dtype=torch.float32 if name in DTYPES else dtype)
    return runner_of(name, model, dtype)


def automatic(family: str, device: torch.device, dtype: torch.dtype) -> str:
    """The backend that the measured table says pays, else eager.

    Args:
        family: of the checkpoint.
        device, dtype: where it is to run.
    """
    if device.type != "cpu" or dtype != torch.float32:
        return EAGER
    chosen = best(measured().get(family, {}))
    package = _missing(chosen)
    if package is not None:
        extra = PACKAGES[chosen][package]
        logger.info(
            'backend eager: %s is faster, pip install "fiancee-hub[%s]" brings it', chosen, extra
        )
        return EAGER
    return chosen


def best(figures: Mapping[str, Any]) -> str:
    """The backend that saves most at full depth among those that pay at every exit.

    Args:
        figures: of a family: by backend ``seconds`` of preparation and, by number of threads,
            ``milliseconds`` of every exit.
    """
    eager = figures.get(EAGER, {}).get("milliseconds", {})
    saved = {
        name: _saved(eager, row["milliseconds"]) for name, row in figures.items() if name != EAGER
    }
    at_full_depth = {
        name: min(exits[-1] for exits in found)
        for name, found in saved.items()
        if PICTURES * min(map(min, found)) > 1000 * figures[name]["seconds"]
    }
    return max(at_full_depth, key=at_full_depth.__getitem__, default=EAGER)


def _saved(eager: Mapping[str, list[float]], other: Mapping[str, list[float]]) -> list[list[float]]:
    """Milliseconds saved at every exit, for each number of threads."""
    return [
        [before - after for before, after in zip(eager[threads], row, strict=True)]
        for threads, row in other.items()
    ]


@cache
def measured() -> dict[str, dict[str, Any]]:
    """Content of the table: by family and backend."""
    found: dict[str, dict[str, Any]] = json.loads(read_asset(TABLE))["families"]
    return found


def _missing(name: str) -> str | None:
    """The first package of a backend that is not installed."""
    packages = PACKAGES.get(name, {})
    return next((package for package in packages if not is_installed(package)), None)


@cache
def _has_bfloat16() -> bool:
    from fiancee_hub.backends.silent import openvino

    return "BF16" in openvino().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
