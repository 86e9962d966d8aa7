"""Git LFS leaves a small text in place of a large file that it has not fetched."""

from pathlib import Path

from fiancee_hub.core.errors import CheckpointError

POINTER = b"version https://git-lfs.github.com/spec/"
"""How such a text begins."""


def check_fetched(path: Path) -> None:
    """Refuses a file that Git LFS has yet to fetch; what cannot be read is left to its reader.

    Raises:
        CheckpointError: with the command that fetches it.
    """
    try:
        with path.open("rb") as file:
            pointer = file.read(len(POINTER)) == POINTER
    except OSError:
        return
    if pointer:
        raise CheckpointError(
            f"{path} is a Git LFS pointer, not the file itself: fetch it with "
            f"`git lfs install && git -C {path.parent} lfs pull`"
        )
