"""A backbone from elsewhere: a checkpoint's trunk in the place of one trained here."""

from pathlib import Path

import torch
from accelerate import Accelerator

from fiancee_hub.core.errors import DataError
from fiancee_hub.hub.checkpoints import CONFIG, load_checkpoint, resolve, write_config
from fiancee_hub.hub.config import CheckpointConfig, read_config
from fiancee_hub.training.state import load_state, save_state

BACKBONE = Path("backbone")
STATE = BACKBONE / "state.safetensors"


def adopt(run_folder: Path, checkpoint: str, accelerator: Accelerator) -> None:
    """Puts a checkpoint's trunk where a run's later phases look for the backbone.

    Args:
        run_folder: of the run; a second call with the same checkpoint changes nothing.
        checkpoint: a folder, ``"user/repo"`` or ``"user/repo@revision"``.
        accelerator: of the run.

    Raises:
        CheckpointError: the checkpoint cannot be loaded.
        DataError: the run has another backbone.
    """
    if accelerator.is_main_process:
        _adopt(run_folder, checkpoint)
    accelerator.wait_for_everyone()


def _adopt(run_folder: Path, checkpoint: str) -> None:
    model, config = load_checkpoint(resolve(checkpoint))
    trunk = model.trunk.state_dict()
    if not (run_folder / STATE).is_file():
        (run_folder / BACKBONE).mkdir(parents=True, exist_ok=True)
        write_config(run_folder / BACKBONE, config)
        save_state(run_folder / STATE, {"phase": {"average": trunk}})
        return
    found = load_state(run_folder / STATE)["phase"]["average"]
    same = found.keys() == trunk.keys()
    if not same or not all(torch.equal(found[name], value) for name, value in trunk.items()):
        raise DataError(
            f"{run_folder} has another backbone than {checkpoint}: choose another run folder"
        )


def offered(checkpoint: str) -> CheckpointConfig:
    """The config of a checkpoint that ``adopt`` would take.

    Raises:
        CheckpointError: the checkpoint cannot be loaded.
    """
    return read_config(resolve(checkpoint) / CONFIG)


def adopted(run_folder: Path) -> CheckpointConfig | None:
    """Of the checkpoint that a run's backbone was taken from; None if it was not."""
    path = run_folder / BACKBONE / CONFIG
    return read_config(path) if path.is_file() else None
