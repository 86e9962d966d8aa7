"""``python -m fiancee_hub embed``: a checkpoint that runs in its reader's browser."""

import argparse
import logging
from pathlib import Path
from typing import Any

from fiancee_hub.core.errors import CheckpointError

logger = logging.getLogger(__name__)


def add_parser(subparsers: Any) -> None:
    """Adds ``embed`` to the command line."""
    parser = subparsers.add_parser("embed", help="a page that runs a checkpoint in the browser")
    parser.add_argument("checkpoint", help="folder, user/repo or user/repo@revision")
    parser.add_argument("--out", type=Path, required=True, help="folder, or .zip file, to write")
    parser.add_argument(
        "--precision", choices=("fp16", "fp32"), default="fp16", help="of the stored weights (fp16)"
    )
    parser.add_argument("--budget", type=float, default=0.1, help="LPIPS of the poster (0.1)")
    parser.add_argument(
        "--webgpu", action="store_true", help="let readers try their graphics processor (needs npm)"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Writes the folder, and says how it gets into a page."""
    from fiancee_hub.web.embed import embed

    made = embed(
        _folder_of(arguments.checkpoint),
        arguments.out,
        precision=arguments.precision,
        budget=arguments.budget,
        webgpu=arguments.webgpu,
    )
    print(f"{made.folder}: {made.all_bytes / 1e6:.1f} MB in all,")
    print(f"{made.first_bytes / 1e6:.1f} MB until the first picture.")
    print("Put the folder on any static host, and into a page:")
    print('<script type="module" src="ADDRESS/fiancee-embed.js"></script>')
    print('<fiancee-embed><img src="ADDRESS/poster.webp" alt=""></fiancee-embed>')
    return 0


def _folder_of(checkpoint: str) -> Path:
    """The checkpoint's folder, from a repository with its examples and its card as well.

    Raises:
        CheckpointError: the checkpoint or one of its examples cannot be had.
    """
    from fiancee_hub.hub.checkpoints import CONFIG, resolve
    from fiancee_hub.hub.config import read_config
    from fiancee_hub.hub.download import snapshot_of
    from fiancee_hub.hub.examples import fetch_examples
    from fiancee_hub.hub.saving import CARD

    folder = resolve(checkpoint)
    snapshot = None
    if not Path(checkpoint).is_dir():
        snapshot = snapshot_of(folder, checkpoint.partition("@")[0], None)
    if snapshot is None:
        return folder
    fetch_examples(snapshot.pinned, read_config(folder / CONFIG).domain)
    try:
        snapshot.folder_with(CARD)
    except CheckpointError as error:
        logger.warning("The embed carries no card, so no terms of the weights: %s", error)
    return folder
