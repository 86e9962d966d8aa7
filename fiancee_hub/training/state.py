"""Training state as safetensors: models and optimizers, without pickle, written atomically."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from fiancee_hub.core.errors import CheckpointError
from fiancee_hub.core.files import replacing
from fiancee_hub.core.lfs import check_fetched


def save_state(path: Path, state: dict[str, Any]) -> None:
    """Writes nested dicts and lists of tensors and JSON values; the old file stays until done."""
    tensors: dict[str, Tensor] = {}
    skeleton = _strip(state, "", tensors)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as partial:
        save_file(tensors, partial, metadata={"state": json.dumps(skeleton)})


def load_state(path: Path) -> dict[str, Any]:
    """Reads what ``save_state`` wrote.

    Raises:
        CheckpointError: the file is damaged or is no training state.
    """
    check_fetched(path)
    try:
        with safe_open(path, "pt") as file:
            skeleton = json.loads((file.metadata() or {})["state"])
            state: dict[str, Any] = _fill(skeleton, file)
            return state
    except (KeyError, ValueError, OSError) as error:
        raise CheckpointError(f"{path} is no training state: {error}") from error
    except Exception as error:  # safetensors raises its own class, which it does not export
        raise CheckpointError(f"{path} cannot be read: {error}") from error


def resume_random(random: torch.Generator, state: Tensor, process: int) -> None:
    """Takes back a generator's state, which the main process (0) has saved.

    The other processes start anew from it, each on its own: they would otherwise draw the main
    process's batches a second time.
    """
    random.set_state(state)
    if process:
        random.manual_seed(int(torch.randint(2**31, (), generator=random)) + process)


def _strip(value: Any, name: str, tensors: dict[str, Tensor]) -> Any:
    if isinstance(value, Tensor):
        # The layout in memory is not part of the state, and safetensors wants plain rows.
        tensors[name] = value.detach().cpu().clone(memory_format=torch.contiguous_format)
        return {"tensor": name}
    if isinstance(value, dict):
        items = [[key, _strip(item, f"{name}/{key}", tensors)] for key, item in value.items()]
        return {"dict": items}
    if isinstance(value, list | tuple):
        return {"list": [_strip(item, f"{name}/{i}", tensors) for i, item in enumerate(value)]}
    return {"value": value}


def _fill(skeleton: dict[str, Any], file: Any) -> Any:
    ((kind, value),) = skeleton.items()
    if kind == "tensor":
        return file.get_tensor(value)
    if kind == "dict":
        return {key: _fill(item, file) for key, item in value}
    if kind == "list":
        return [_fill(item, file) for item in value]
    return value
