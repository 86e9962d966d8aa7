"""Checkpoints: config.json and model.safetensors in a folder or a Hub repository. No pickle."""

from pathlib import Path
from typing import Any

import torch
from huggingface_hub import hf_hub_download
from huggingface_hub.errors import (
    EntryNotFoundError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from fiancee_hub.config import CheckpointConfig, read_config, to_json
from fiancee_hub.errors import CheckpointError
from fiancee_hub.models.exits import EarlyExitModel
from fiancee_hub.models.oasis import OasisGenerator

CONFIG = "config.json"
WEIGHTS = "model.safetensors"
MAX_HEADER_BYTES = 4 * 2**20


def build(config: CheckpointConfig) -> EarlyExitModel:
    """The model that ``config`` describes, with fresh weights."""
    return EarlyExitModel(OasisGenerator(config.generator), config.exits, config.guides)


def load_checkpoint(folder: Path) -> tuple[EarlyExitModel, CheckpointConfig]:
    """Reads a checkpoint folder; everything is checked before anything is built in memory.

    Raises:
        CheckpointError: naming the file and the field or tensor that is wrong.
    """
    config = read_config(folder / CONFIG)
    with torch.device("meta"):
        model = build(config)
    tensors = read_tensors(folder / WEIGHTS, model.state_dict())
    model.load_state_dict(tensors, strict=True, assign=True)
    return model.requires_grad_(False).eval(), config


def save_checkpoint(folder: Path, model: EarlyExitModel, config: CheckpointConfig) -> None:
    """Writes config.json and model.safetensors (weights as float16, statistics as they are)."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: stored(name, value) for name, value in model.state_dict().items()}
    save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})
    (folder / CONFIG).write_text(to_json(config), encoding="utf-8")


def stored(name: str, tensor: Tensor) -> Tensor:
    """A tensor as the checkpoint stores it."""
    keep = not tensor.is_floating_point() or name.endswith(("running_mean", "running_var"))
    tensor = tensor.detach().cpu() if keep else tensor.detach().cpu().half()
    return tensor.clone(memory_format=torch.contiguous_format)


def read_tensors(path: Path, expected: dict[str, Tensor]) -> dict[str, Tensor]:
    """Tensors of a safetensors file, as float32, after checking names, shapes and values.

    Args:
        path: the file.
        expected: names and shapes (meta tensors will do).

    Raises:
        CheckpointError: the file is missing or damaged, or a tensor is missing, unknown, of
            another shape or type, or holds NaN or infinity.
    """
    try:
        _check_header(path)
        with safe_open(path, "pt") as file:
            _check_names(path, set(file.keys()), expected)
            _check_shapes(path, file, expected)
            return {name: _read(path, file, name, like) for name, like in expected.items()}
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror or error})") from error
    except SafetensorError as error:
        raise CheckpointError(f"{path}: no valid safetensors file ({error})") from error


def _check_header(path: Path) -> None:
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if length > min(MAX_HEADER_BYTES, path.stat().st_size):
            raise CheckpointError(
                f"{path}: no safetensors file, or damaged (its header claims {length} bytes)"
            )


def _check_names(path: Path, found: set[str], expected: dict[str, Tensor]) -> None:
    for problem, names in (
        ("is missing", expected.keys() - found),
        ("is unknown to config.json", found - expected.keys()),
    ):
        if names:
            more = f" (and {len(names) - 1} more)" if len(names) > 1 else ""
            raise CheckpointError(f"{path}: tensor '{min(names)}' {problem}{more}")


def _check_shapes(path: Path, file: Any, expected: dict[str, Tensor]) -> None:
    for name, like in expected.items():
        entry = file.get_slice(name)
        shape, kind = tuple(entry.get_shape()), entry.get_dtype()
        if shape != tuple(like.shape):
            raise CheckpointError(
                f"{path}: tensor '{name}' has shape {shape}, config.json asks for "
                f"{tuple(like.shape)}"
            )
        allowed = {"F16", "BF16", "F32"} if like.is_floating_point() else {"I64"}
        if kind not in allowed:
            raise CheckpointError(f"{path}: tensor '{name}' is {kind}, not {sorted(allowed)}")


def _read(path: Path, file: Any, name: str, like: Tensor) -> Tensor:
    tensor: Tensor = file.get_tensor(name)
    if not tensor.is_floating_point():
        return tensor
    tensor = tensor.float()
    if not bool(tensor.isfinite().all()):
        raise CheckpointError(f"{path}: tensor '{name}' holds NaN or infinity")
    if tensor.dim() == 4 and like.dim() == 4:
        tensor = tensor.contiguous(memory_format=torch.channels_last)
    return tensor


def resolve(model_id: str, *, files: tuple[str, ...] = (CONFIG, WEIGHTS), **download: Any) -> Path:
    """Folder of a checkpoint: itself, or downloaded from the Hub into the cache.

    Args:
        model_id: a folder, ``"user/repo"`` or ``"user/repo@revision"``.
        files: what to download.
        download: options of ``hf_hub_download``.

    Raises:
        CheckpointError: there is no such folder, repository, revision or file, or no network
            and nothing cached.
    """
    if Path(model_id).is_dir():
        return Path(model_id)
    repo, _, pinned = str(model_id).partition("@")
    if pinned:
        download["revision"] = pinned
    try:
        paths = [Path(hf_hub_download(repo, name, **download)) for name in files]
    except Exception as error:
        raise CheckpointError(_explain(str(model_id), error)) from error
    return paths[0].parent


def _explain(model_id: str, error: Exception) -> str:
    reasons = (
        (RevisionNotFoundError, "has no such revision"),
        (RepositoryNotFoundError, "does not exist on the Hub, or you need a token for it"),
        (LocalEntryNotFoundError, "is not in the cache and the Hub cannot be reached"),
        (EntryNotFoundError, f"lacks {CONFIG} or {WEIGHTS}"),
        (HfHubHTTPError, "could not be downloaded"),
        (ValueError, "is neither a folder nor a name like user/repo"),
    )
    for kind, reason in reasons:
        if isinstance(error, kind):
            return f"checkpoint '{model_id}' {reason}"
    return f"checkpoint '{model_id}' could not be loaded: {error}"
