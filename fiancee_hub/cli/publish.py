"""``python -m fiancee_hub publish``: a checkpoint to the Hub, or what that would upload."""

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any


def add_parser(subparsers: Any) -> None:
    """Adds ``publish`` to the command line."""
    parser = subparsers.add_parser("publish", help="a checkpoint to the Hugging Face Hub")
    parser.add_argument("checkpoint", help="folder, user/repo or user/repo@revision")
    parser.add_argument("repository", help="user/repo; made if it is missing")
    parser.add_argument("--dry-run", action="store_true", help="list files, sizes and terms only")
    parser.add_argument("--private", action="store_true", help="a new repository is private")
    parser.add_argument("--branch", help="to upload to (main)")
    parser.add_argument("--message", default="Add the checkpoint", help="of the commit")
    parser.add_argument(
        "--training-state", action="store_true", help="with what training goes on from"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Says what is uploaded, and uploads it."""
    from fiancee_hub.hub.publishing import check_repository, inspect
    from fiancee_hub.hub.saving import push
    from fiancee_hub.pipeline import AutoPipeline

    check_repository(arguments.repository)
    pipe = AutoPipeline.from_pretrained(arguments.checkpoint)
    with TemporaryDirectory() as made:
        folder = Path(made) / arguments.repository.partition("/")[2]
        pipe.save_pretrained(folder, training_state=arguments.training_state)
        print(inspect(folder))
        if arguments.dry_run:
            print(f"{arguments.repository}: nothing was uploaded")
            return 0
        # An existing repository stays as it is.
        options = {"private": True} if arguments.private else {}
        options |= {"revision": arguments.branch, "commit_message": arguments.message}
        print(push(folder, arguments.repository, None, **options))
    return 0
