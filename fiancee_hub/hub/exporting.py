"""A checkpoint, by its folder or id, as graphs for other runtimes."""

import dataclasses
from pathlib import Path
from typing import Any

from fiancee_hub.backends.export import Precision, export
from fiancee_hub.core.errors import InputError
from fiancee_hub.core.family import family
from fiancee_hub.core.files import sha256_of
from fiancee_hub.hub.checkpoints import WEIGHTS, load_checkpoint


def export_checkpoint(
    folder: Path, target: Path, precision: Precision = "fp16", *, distance: bool = False
) -> dict[str, Any]:
    """Writes the graphs of a checkpoint folder, and their manifest.

    Args:
        folder: of the checkpoint.
        target: folder to write.
        precision: of the stored weights.
        distance: write LPIPS as well.

    Returns:
        the manifest.

    Raises:
        InputError: no exporter takes its family yet.
    """
    model, config = load_checkpoint(folder)
    if not family(config.family).exportable:
        raise InputError(
            f"{folder} is a checkpoint of the family {config.family!r}, which no "
            "exporter takes yet: export one of label maps"
        )
    checkpoint = {**dataclasses.asdict(config), "model_sha256": sha256_of(folder / WEIGHTS)}
    return export(model, target, checkpoint, precision=precision, distance=distance)
