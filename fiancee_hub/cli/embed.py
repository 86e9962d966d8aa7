"""``python -m fiancee_hub embed``: a checkpoint that runs in its reader's browser."""

import argparse
from pathlib import Path
from typing import Any


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
    from fiancee_hub.hub.checkpoints import resolve
    from fiancee_hub.web.embed import embed

    folder = resolve(arguments.checkpoint)
    made = embed(
        folder,
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
