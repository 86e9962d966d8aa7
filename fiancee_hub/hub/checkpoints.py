"""Checkpoints: config.json and model.safetensors in a folder or a Hub repository. No pickle."""

import os
import re
from pathlib import Path, PurePosixPath
from typing import Any

import torch
from torch import Tensor, nn

from fiancee_hub.core.errors import CheckpointError
from fiancee_hub.core.exits import EarlyExitModel
from fiancee_hub.core.family import family
from fiancee_hub.core.files import write_text
from fiancee_hub.hub.config import CheckpointConfig, read_config, to_json
from fiancee_hub.hub.download import REPOSITORY, download
from fiancee_hub.hub.tensor_files import is_regular, read_tensors, write_tensors

CONFIG = "config.json"
WEIGHTS = "model.safetensors"
VARIANT = re.compile(r"\w[\w-]*(\.[\w-]+)*", re.ASCII)

WRAPPERS = ("_orig_mod", "module")
"""Names that wrappers put into those of tensors: ``torch.compile``, and parallel ones."""

STATISTICS = ("running_mean", "running_var")
"""Endings of the names of tensors that are never rounded."""


def build(config: CheckpointConfig) -> EarlyExitModel:
    """The model that ``config`` describes, with fresh weights."""
    trunk = family(config.family).trunk(config.generator)
    return EarlyExitModel(trunk, config.exits, config.guides)


def weights_of(variant: Any) -> str:
    """Name of the weights' file; ``"fp16"`` is ``model.fp16.safetensors``, as in diffusers.

    Raises:
        CheckpointError: no file can be called so.
    """
    if variant is None:
        return WEIGHTS
    if not isinstance(variant, str) or not VARIANT.fullmatch(variant):
        raise CheckpointError(f"{variant!r:.80} is no variant: give a name such as 'fp16'")
    stem, ending = WEIGHTS.split(".")
    return f"{stem}.{variant}.{ending}"


def load_checkpoint(
    folder: Path, weights: str = WEIGHTS
) -> tuple[EarlyExitModel, CheckpointConfig]:
    """Reads a checkpoint folder; everything is checked before anything is built in memory.

    Args:
        folder: of the checkpoint.
        weights: name of the file in it.

    Raises:
        CheckpointError: naming the file and the field or tensor that is wrong.
    """
    if not is_regular(folder / CONFIG):
        raise CheckpointError(f"{folder / CONFIG}: no regular file")
    if weights != WEIGHTS and not (folder / weights).exists():
        raise CheckpointError(f"{folder} has no {weights}{_held(folder, 'model*.safetensors')}")
    config = read_config(folder / CONFIG)
    _check_costs(folder / CONFIG, config)
    model = _shapes(folder / CONFIG, config)
    # Weights made in a caller's inference mode could be neither trained nor changed later.
    with torch.inference_mode(False):
        tensors = read_tensors(folder / weights, model.state_dict())
        model.load_state_dict(tensors, strict=True, assign=True)
        return model.requires_grad_(False).eval(), config


def _check_costs(path: Path, config: CheckpointConfig) -> None:
    """Ratios of costs are computed at every call; none may overflow there."""
    costs = config.costs
    for name in ("predictor", "guides", "encoder", "parameters"):
        if not 0 <= getattr(costs, name) < 2**63:
            raise CheckpointError(f"{path}: field 'costs.{name}' is out of bounds (0 to 2**63)")


def _shapes(path: Path, config: CheckpointConfig) -> EarlyExitModel:
    """The model without storage, however large ``config`` claims it to be."""
    try:
        with torch.device("meta"):
            return build(config)
    except (ArithmeticError, IndexError, RuntimeError, TypeError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        raise CheckpointError(f"{path}: describes no model that can be built ({reason})") from error


def save_checkpoint(
    folder: Path, model: EarlyExitModel, config: CheckpointConfig, *, exact: bool = False
) -> None:
    """Writes config.json and model.safetensors, each at once or not at all.

    Args:
        folder: created if missing.
        model: its weights are stored as float16, statistics as they are.
        config: what it is.
        exact: keep weights that float16 would change as float32: the model comes back bit for bit.

    Raises:
        CheckpointError: the model is not what ``config`` describes, or holds NaN or infinity.
    """
    folder.mkdir(parents=True, exist_ok=True)
    state = plain_state(model)
    _check_fits(folder, state, config)
    tensors = {name: stored(name, value, exact=exact) for name, value in state.items()}
    write_tensors(folder / WEIGHTS, tensors)
    write_config(folder, config)


def plain_state(model: nn.Module) -> dict[str, Tensor]:
    """The model's tensors under the names that the checkpoint has for them, also where
    ``torch.compile`` or a parallel wrapper has put a module between."""
    return {
        ".".join(part for part in name.split(".") if part not in WRAPPERS): tensor
        for name, tensor in model.state_dict().items()
    }


def _check_fits(folder: Path, state: dict[str, Tensor], config: CheckpointConfig) -> None:
    """What is written must load: quantised or patched models have other tensors."""
    expected = _shapes(folder / CONFIG, config).state_dict()
    for name in sorted(expected.keys() | state.keys()):
        if name not in expected or name not in state:
            problem = "lacks" if name in expected else "has, but its config does not describe,"
            raise CheckpointError(
                f"the model {problem} the tensor '{name}' and could not be loaded again: save it "
                "as it was before its layers were exchanged"
            )
        if expected[name].shape != state[name].shape:
            raise CheckpointError(
                f"the model's tensor '{name}' has shape {tuple(state[name].shape)}, its config "
                f"asks for {tuple(expected[name].shape)}: save it with the config that it has"
            )


def write_config(folder: Path, config: CheckpointConfig) -> None:
    """Writes config.json at once or not at all."""
    write_text(folder / CONFIG, to_json(config))


def stored(name: str, tensor: Tensor, *, exact: bool = False) -> Tensor:
    """A tensor as the checkpoint stores it."""
    tensor = tensor.detach().cpu()
    if tensor.is_floating_point():
        # Models may run in other types; files hold these two.
        tensor = tensor.float()
        half = tensor.half()
        if not name.endswith(STATISTICS) and (not exact or torch.equal(half.float(), tensor)):
            tensor = half
    return tensor.clone(memory_format=torch.contiguous_format)


def resolve(
    model_id: str | os.PathLike[str],
    *,
    files: tuple[str, ...] = (CONFIG, WEIGHTS),
    revision: str | None = None,
    subfolder: Any = "",
    **options: Any,
) -> Path:
    """Folder of a checkpoint: itself, or downloaded from the Hub into the cache.

    Args:
        model_id: a folder, ``"user/repo"`` or ``"user/repo@revision"``.
        files: what to download.
        revision: branch, tag or commit of a repository.
        subfolder: where it lies in the folder or repository.
        options: of ``hf_hub_download``.

    Raises:
        CheckpointError: there is no such folder, repository, revision or file, no network and
            nothing cached, or a file is not what the repository says it is.
    """
    name, inside = _checked_name(model_id), _checked_subfolder(subfolder)
    path = Path(name)
    if _is_folder(path):
        if revision is not None:
            raise CheckpointError(
                f"checkpoint '{name}' is a folder, which has no revision {revision!r}: leave "
                f"revision= out{_instead(name, revision)}"
            )
        if inside:
            return _subfolder_of(path, inside)
        _check_shadow(name)
        if not (path / CONFIG).exists() and any(path.glob(f"*/{CONFIG}")):
            raise CheckpointError(f"{path} holds no {CONFIG}{_held(path, f'*/{CONFIG}')}")
        return path
    if path.is_file():
        raise CheckpointError(f"checkpoint '{name}' is a file: give the folder that it lies in")
    below = tuple(f"{inside}/{file}" if inside else file for file in files)
    return download(name, below, revision=revision, **options) / inside


def _checked_subfolder(subfolder: Any) -> str:
    """A path below a folder or repository; empty is the folder itself."""
    if subfolder is None:
        return ""
    path = PurePosixPath(subfolder) if isinstance(subfolder, str) else None
    if path is None or path.is_absolute() or not set(path.parts).isdisjoint({"..", "~"}):
        raise CheckpointError(
            f"{subfolder!r:.80} is no subfolder: give a path in the checkpoint such as 'streets'"
        )
    return "" if path == PurePosixPath() else str(path)


def _subfolder_of(folder: Path, inside: str) -> Path:
    if not (folder / inside / CONFIG).exists():
        places = _held(folder, f"*/{CONFIG}")
        raise CheckpointError(f"{folder / inside} holds no {CONFIG}{places}")
    return folder / inside


def _held(folder: Path, pattern: str) -> str:
    """What to choose from instead."""
    there = sorted(path.relative_to(folder).as_posix() for path in folder.glob(pattern))
    return f"; {folder} holds {', '.join(there)}: name one of them" if there else ""


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError as error:
        raise CheckpointError(f"checkpoint '{path}' cannot be read ({error.strerror})") from error


def _checked_name(model_id: Any) -> str:
    """A folder or repository as text, neither empty nor something else."""
    if not isinstance(model_id, str | os.PathLike):
        raise CheckpointError(
            f"a checkpoint is a folder or a repository such as 'user/repo', not {model_id!r:.80}"
        )
    name = os.fspath(model_id)
    if not isinstance(name, str) or not name.strip():
        raise CheckpointError(
            "the checkpoint has no name: give a folder or a repository such as 'user/repo'"
        )
    return name


def _check_shadow(name: str) -> None:
    """Refuses a folder without a checkpoint that has the name of a repository."""
    if REPOSITORY.fullmatch(name) and not (Path(name) / CONFIG).exists():
        raise CheckpointError(
            f"checkpoint '{name}' was taken for the folder of that name, {Path(name).absolute()}, "
            f"which holds no {CONFIG}{_instead(name, 'main')}"
        )


def _instead(name: str, revision: str) -> str:
    """How the Hub's repository of the same name as a folder is meant, where it can be."""
    if not REPOSITORY.fullmatch(name):
        return ""
    return f"; for the repository on the Hub write '{name}@{revision}'"
