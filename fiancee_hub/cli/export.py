"""``python -m fiancee_hub export``: a checkpoint as ONNX graphs for other runtimes."""

import argparse
import sys
from pathlib import Path
from typing import Any


def add_parser(subparsers: Any) -> None:
    """Adds ``export`` to the command line."""
    parser = subparsers.add_parser("export", help="ONNX graphs for other runtimes")
    parser.add_argument("checkpoint", help="folder, user/repo or user/repo@revision")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument(
        "--precision",
        choices=("fp16", "fp32"),
        default="fp16",
        help="of the stored weights (fp16); all arithmetic is float32",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Exports, and says how large every graph is."""
    from fiancee_hub.hub.checkpoints import resolve
    from fiancee_hub.hub.exporting import export_checkpoint

    folder = resolve(arguments.checkpoint)
    manifest = export_checkpoint(folder, arguments.out, arguments.precision)
    for graph in manifest["graphs"]:
        sys.stdout.write(f"{graph['file']:16} {graph['bytes'] / 1e6:7.2f} MB\n")
    total = sum(graph["bytes"] for graph in manifest["graphs"])
    sys.stdout.write(f"{'in all':16} {total / 1e6:7.2f} MB\n")
    return 0
