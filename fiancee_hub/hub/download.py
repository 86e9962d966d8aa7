"""Files of a Hub repository: downloaded and cached by huggingface_hub, then checked.

The Hub names every file by a digest of its content: SHA-256 for large files, git's SHA-1 for the
others. The cache keeps that name, so a cached file can be checked again without any request.
"""

import hashlib
import os
import re
from pathlib import Path
from typing import Any

from huggingface_hub import hf_hub_download
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from fiancee_hub.core.errors import CheckpointError

REVISION = re.compile(r"(?!.*\.\.)[\w][\w./-]*", re.ASCII)
"""Branches, tags and commit hashes; a revision becomes part of paths in the cache."""

BLOBS = "blobs"
SHA256, GIT_SHA1 = re.compile("[0-9a-f]{64}"), re.compile("[0-9a-f]{40}")
CHUNK = 2**20


def download(model_id: str, files: tuple[str, ...], **options: Any) -> Path:
    """Folder in the cache with ``files`` of a repository.

    Args:
        model_id: ``"user/repo"`` or ``"user/repo@revision"``.
        files: their names.
        options: of ``hf_hub_download``.

    Raises:
        CheckpointError: there is no such repository, revision or file, no permission, no network
            and nothing cached, or a file is not what the repository says it is.
    """
    repo, _, pinned = model_id.partition("@")
    revision = pinned or options.pop("revision", None)
    if revision is not None and not REVISION.fullmatch(revision):
        raise CheckpointError(f"checkpoint '{model_id}': {revision!r} is no revision")
    options["revision"] = revision
    try:
        paths = [Path(hf_hub_download(repo, name, **options)) for name in files]
    except Exception as error:
        raise CheckpointError(f"checkpoint '{model_id}' {_reason(error, files)}") from error
    for path in paths:
        _check_content(model_id, path)
    return paths[0].parent


def _check_content(model_id: str, path: Path) -> None:
    """Compares a cached file with the digest that it is named by."""
    if not path.is_symlink():
        return  # A cache without links has lost the names; the digest in the weights remains.
    blob = Path(os.readlink(path))
    if blob.parent.name != BLOBS:
        return
    if SHA256.fullmatch(blob.name):
        kind, found = "SHA-256", _sha256(path)
    elif GIT_SHA1.fullmatch(blob.name):
        kind, found = "git SHA-1", _git_sha1(path)
    else:
        return
    if found != blob.name:
        raise CheckpointError(
            f"checkpoint '{model_id}': {path.name} does not have the {kind} that the repository "
            f"states ({blob.name[:12]}…): load it with force_download=True, or delete {path}"
        )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _git_sha1(path: Path) -> str:
    """Digest by which git names a file's content."""
    state = hashlib.sha1(f"blob {path.stat().st_size}\0".encode(), usedforsecurity=False)
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            state.update(chunk)
    return state.hexdigest()


def _reason(error: Exception, files: tuple[str, ...]) -> str:
    reasons = (
        (RevisionNotFoundError, "has no such revision"),
        (GatedRepoError, "is gated: accept its terms on the Hub and give a token of yours"),
        (
            RepositoryNotFoundError,
            "is no folder and does not exist on the Hub, or you need a token for it",
        ),
        (LocalEntryNotFoundError, "is not in the cache and the Hub cannot be reached"),
        (EntryNotFoundError, f"lacks one of {', '.join(files)}"),
        (HFValidationError, "is neither a folder nor a name like user/repo"),
    )
    status = _status(error)
    if status == 403 and not isinstance(error, GatedRepoError):
        return "may not be read with this token (the Hub answered 403)"
    for kind, reason in reasons:
        if isinstance(error, kind):
            return reason + (f" (it answered {status})" if status and status >= 500 else "")
    return f"could not be downloaded: {_first_sentence(error)}; try again with force_download=True"


def _status(error: BaseException | None) -> int | None:
    """HTTP status behind an error, if there is one."""
    while error is not None:
        if isinstance(error, HfHubHTTPError):
            return int(error.response.status_code)
        error = error.__cause__
    return None


def _first_sentence(error: Exception) -> str:
    return str(error).strip().partition("\n")[0].rstrip(".") or type(error).__name__
