"""Files of a Hub repository: downloaded and cached by huggingface_hub, then checked.

The Hub names every file by a digest of its content: SHA-256 for large files, git's SHA-1 for the
others. The cache keeps that name, so a cached file can be checked again without any request.
"""

import hashlib
import logging
import os
import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi, hf_hub_download
from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError
from huggingface_hub.file_download import repo_folder_name

from fiancee_hub.core.errors import CheckpointError
from fiancee_hub.core.files import sha256_of
from fiancee_hub.hub.reasons import reason

REPOSITORY = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*", re.ASCII)
"""A name on the Hub; anything else would be asked for in vain."""

REVISION = re.compile(r"(?!.*\.\.)[\w][\w./-]*", re.ASCII)
"""Branches, tags and commit hashes; a revision becomes part of paths in the cache."""

CLIENT_LOGGERS = ("httpx", "httpx2")
"""Of the HTTP clients that versions of huggingface_hub use."""

BLOBS = "blobs"
SHA256, GIT_SHA1 = re.compile("[0-9a-f]{64}"), re.compile("[0-9a-f]{40}")
CHUNK = 2**20


def download(model_id: str, files: tuple[str, ...], **options: Any) -> Path:
    """Folder in the cache with ``files`` of a repository, all of one commit.

    Args:
        model_id: ``"user/repo"`` or ``"user/repo@revision"``.
        files: their names.
        options: of ``hf_hub_download``.

    Raises:
        CheckpointError: there is no such repository, revision or file, no permission, no network
            and nothing cached, or a file is not what the repository says it is.
    """
    paths = _downloaded(model_id, files, **options)
    return paths[0].parents[files[0].count("/")]


def _downloaded(model_id: str, files: Sequence[str], **options: Any) -> list[Path]:
    repo, revision = _named(model_id, options.pop("revision", None))
    paths: list[Path] = []
    try:
        with quiet_client():
            for name in files:
                paths.append(Path(hf_hub_download(repo, name, revision=revision, **options)))
                # A branch may move meanwhile: the others come from the commit of the first.
                found = snapshot_of(paths[0].parent, repo, None)
                revision = found.commit if found else revision
        for path in paths:
            _check_content(model_id, path)
    except CheckpointError:
        raise
    except Exception as error:
        clause = reason(error, files, cache=options.get("cache_dir"))
        if _is_missing(error):
            clause += _held(repo, revision, files, options.get("token"))
        raise CheckpointError(f"checkpoint '{model_id}' {clause}") from error
    return paths


def _is_missing(error: Exception) -> bool:
    """Whether the Hub says that a repository does not have a file."""
    missing = isinstance(error, EntryNotFoundError)
    return missing and not isinstance(error, LocalEntryNotFoundError)


def _held(repo: str, revision: str | None, files: Sequence[str], token: str | bool | None) -> str:
    """Which files with such endings a repository holds instead, as far as it says."""
    try:
        with quiet_client():
            info = HfApi(token=token).model_info(repo, revision=revision)
    except Exception:  # what is missing is known; this would only have helped
        return ""
    endings = {Path(file).suffix for file in files}
    there = (sibling.rfilename for sibling in info.siblings or ())
    alike = sorted(name for name in there if Path(name).suffix in endings)
    return f"; it holds {', '.join(alike)}" if alike else ""


@dataclass(frozen=True)
class Snapshot:
    """A repository at one commit, as a checkpoint was loaded from it.

    Args:
        repository: its name.
        commit: hash of the commit.
        cache: folder of the cache.
        subfolder: where the checkpoint lies in the repository; empty for the repository itself.
        token: that opened it, if one was given.
        local_files_only: a single file is taken from the cache, or not at all.
    """

    repository: str
    commit: str
    cache: Path
    subfolder: str = ""
    token: str | bool | None = field(default=None, repr=False)
    local_files_only: bool = False

    @property
    def pinned(self) -> str:
        """``"user/repo@commit"``: what cannot move, as a branch can."""
        return f"{self.repository}@{self.commit}"

    def folder_with(self, name: str) -> Path:
        """The checkpoint's folder in the cache, with one of its files.

        Args:
            name: below the subfolder.

        Raises:
            CheckpointError: it cannot be had, or is not what the repository says it is.
        """
        options: dict[str, Any] = {"cache_dir": self.cache, "token": self.token}
        options["local_files_only"] = self.local_files_only
        files = (f"{self.subfolder}/{name}" if self.subfolder else name,)
        return download(self.pinned, files, **options) / self.subfolder

    def fetch(self, *, without: Collection[str] = ()) -> dict[str, Path]:
        """Every file of the checkpoint by its name below the subfolder, those already there
        included.

        Args:
            without: names to leave out.

        Raises:
            CheckpointError: they cannot be had, or are not what the repository says they are.
        """
        options = {"cache_dir": self.cache, "token": self.token}
        try:
            with quiet_client():
                info = HfApi(token=self.token).model_info(self.repository, revision=self.commit)
        except Exception as error:
            clause = reason(error, cache=self.cache)
            raise CheckpointError(f"checkpoint '{self.repository}' {clause}") from error
        above = f"{self.subfolder}/" if self.subfolder else ""
        names = [file.rfilename for file in info.siblings or ()]
        below = [name.removeprefix(above) for name in names if name.startswith(above)]
        kept = [name for name in below if name not in without]
        paths = _downloaded(self.pinned, [above + name for name in kept], **options)
        return dict(zip(kept, paths, strict=True))


def snapshot_of(folder: Path, repository: str, token: str | bool | None) -> Snapshot | None:
    """Where ``download`` put the files of a repository; None if the cache has another layout.

    Args:
        folder: of the checkpoint: a commit's in the cache, or one below it.
        repository: its name.
        token: that opened it, if one was given.
    """
    kept = repo_folder_name(repo_id=repository, repo_type="model")
    for commit in (folder, *folder.parents):
        snapshots = commit.parent
        # Subfolders may have any name, also "snapshots".
        if snapshots.name == "snapshots" and snapshots.parent.name == kept:
            inside = folder.relative_to(commit)
            subfolder = "" if inside == Path() else inside.as_posix()
            return Snapshot(repository, commit.name, snapshots.parents[1], subfolder, token)
    return None


def _named(model_id: str, revision: str | None) -> tuple[str, str | None]:
    """Repository and revision of ``"user/repo"`` or ``"user/repo@revision"``."""
    repo, at, pinned = model_id.partition("@")
    if not REPOSITORY.fullmatch(repo):
        raise CheckpointError(
            f"checkpoint '{model_id}' is neither a folder nor a name like user/repo"
        )
    for given in (pinned if at else None, revision):
        text = given if isinstance(given, str) else ""
        if given is not None and not REVISION.fullmatch(text):
            raise CheckpointError(f"checkpoint '{model_id}': {given!r} is no revision")
    if at and revision is not None and revision != pinned:
        raise CheckpointError(
            f"checkpoint '{model_id}' names revision {pinned}, revision= names {revision}: "
            "give one of them"
        )
    return repo, pinned if at else revision


@contextmanager
def quiet_client() -> Iterator[None]:
    """The HTTP client's lines, one a request, only where its logger is set to DEBUG."""
    loggers = [logging.getLogger(name) for name in CLIENT_LOGGERS]
    for logger in loggers:
        logger.addFilter(_below_debug)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(_below_debug)


def _below_debug(record: logging.LogRecord) -> bool:
    enough = logging.getLogger(record.name).isEnabledFor(logging.DEBUG)
    return record.levelno > logging.INFO or enough


def _check_content(model_id: str, path: Path) -> None:
    """Compares a cached file with the digest that it is named by."""
    if not path.is_symlink():
        return  # A cache without links has lost the names; the digest in the weights remains.
    blob = Path(os.readlink(path))
    if blob.parent.name != BLOBS:
        return
    if SHA256.fullmatch(blob.name):
        kind, found = "SHA-256", sha256_of(path)
    elif GIT_SHA1.fullmatch(blob.name):
        kind, found = "git SHA-1", _git_sha1(path)
    else:
        return
    if found != blob.name:
        raise CheckpointError(
            f"checkpoint '{model_id}': {path.name} does not have the {kind} that the repository "
            f"states ({blob.name[:12]}…): load it with force_download=True, or delete {path}"
        )


def _git_sha1(path: Path) -> str:
    """Digest by which git names a file's content."""
    state = hashlib.sha1(f"blob {path.stat().st_size}\0".encode(), usedforsecurity=False)
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            state.update(chunk)
    return state.hexdigest()
