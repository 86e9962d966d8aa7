"""Files that come with the package: weights of LPIPS and of the face landmarks, class tables."""

from importlib.resources import as_file, files

from fiancee_hub.core.lfs import check_fetched


def read_asset(name: str) -> bytes:
    """A packaged file, by its path below ``assets``.

    Raises:
        CheckpointError: the package is a clone whose large files Git LFS has yet to fetch.
    """
    with as_file(files("fiancee_hub").joinpath("assets", *name.split("/"))) as path:
        check_fetched(path)
        return path.read_bytes()
