"""Why the Hub or its cache did not do what was asked: one clause a kind, with the way out."""

import errno
import os
import re
from collections.abc import Iterator, Sequence
from email.utils import parsedate_to_datetime
from pathlib import Path

from huggingface_hub import constants
from huggingface_hub.errors import (
    DisabledRepoError,
    EntryNotFoundError,
    FileMetadataError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What the system says of a disk or a quota that is used up."""

WRITTEN_OUT = re.compile(r"\(os error (\d+)\)")
"""How the client's part that is no Python says what the system said."""

USED_UP = re.compile(r"r=0;t=(\d+)")
"""In the Hub's ``RateLimit`` header: no request remains, for so many seconds."""


def reason(error: BaseException, files: Sequence[str] = (), *, cache: Path | None = None) -> str:
    """What follows "checkpoint 'user/repo' …".

    Args:
        error: that the Hub's client raised.
        files: that were asked for.
        cache: folder that they go to; the client's own if left out.
    """
    status = _status(error)
    answers = {401: _stale_token, 403: _forbidden, 429: _too_many}
    kinds = (
        (RevisionNotFoundError, "has no such revision"),
        (GatedRepoError, "is gated: accept its terms on the Hub and give a token of yours"),
        (DisabledRepoError, "has been disabled on the Hub"),
        (
            RepositoryNotFoundError,
            "is no folder and does not exist on the Hub, or you need a token for it",
        ),
    )
    for kind, clause in kinds:
        if isinstance(error, kind):
            return clause
    if status in answers:
        return answers[status](error)
    return _unreachable(error, files, status) or _of_the_system(error, cache) or _other(error)


def push_reason(error: BaseException) -> str:
    """What follows "repository 'user/repo' …" where it could not be written to.

    Args:
        error: that the Hub's client raised.
    """
    status = _status(error)
    if status == 401:
        return (
            "could not be written: the Hub accepts no token of yours (401); log in with "
            "`hf auth login`, or give token="
        )
    if status == 403:
        return (
            "could not be written: your token may not write there (403); make one that may, or "
            "take a repository of yours"
        )
    if status == 429:
        return _too_many(error)
    if isinstance(error, HFValidationError):
        return "has no name like user/repo"
    sentence = str(error).strip().partition("\n")[0].rstrip(".") or type(error).__name__
    return f"could not be written: {sentence}"


def _system_error(error: BaseException) -> int | None:
    """The number by which the system says what it could not do, if that was the cause."""
    for link in _chain(error):
        if isinstance(link, OSError) and link.errno and not isinstance(link, HfHubHTTPError):
            return link.errno
        if found := WRITTEN_OUT.search(str(link)):
            return int(found[1])
    return None


def _stale_token(_: BaseException) -> str:
    return (
        "could not be asked for: the Hub does not accept your token (401); log in again with "
        "`hf auth login`, or unset HF_TOKEN (a public repository needs none)"
    )


def _forbidden(_: BaseException) -> str:
    return "may not be read with this token (the Hub answered 403)"


def _too_many(error: BaseException) -> str:
    wait = _wait(error)
    how_long = "a while" if wait is None else f"{wait} s"
    return (
        f"could not be asked for: the Hub allows no more requests for now (429); wait {how_long} "
        "and try again, or give a token, which allows more"
    )


def _wait(error: BaseException) -> int | None:
    """Seconds that the Hub asks to wait, if it says so."""
    for link in _chain(error):
        if isinstance(link, HfHubHTTPError):
            headers = link.response.headers
            if used_up := USED_UP.search(headers.get("RateLimit", "")):
                return int(used_up[1])
            return _retry_after(headers.get("Retry-After", ""), headers.get("Date", ""))
    return None


def _retry_after(value: str, now: str) -> int | None:
    """Seconds of a ``Retry-After`` header, which is a number or a date."""
    if value.strip().isdigit():
        return int(value)
    try:
        wait = parsedate_to_datetime(value) - parsedate_to_datetime(now)
    except (TypeError, ValueError):
        return None
    return max(0, round(wait.total_seconds()))


def _unreachable(error: BaseException, files: Sequence[str], status: int | None) -> str:
    if any(isinstance(link, FileMetadataError) for link in _chain(error)):
        return (
            f"could not be asked for: what answers at {constants.ENDPOINT} is no Hub; check "
            "HF_ENDPOINT, proxy and firewall"
        )
    if isinstance(error, LocalEntryNotFoundError):
        answered = f" (it answered {status})" if status else ""
        return "is not in the cache and the Hub cannot be reached" + answered
    if isinstance(error, EntryNotFoundError):
        return f"lacks one of {', '.join(files)}"
    if isinstance(error, HFValidationError):
        return "is neither a folder nor a name like user/repo"
    return ""


def _of_the_system(error: BaseException, cache: Path | None) -> str:
    """Of a cache folder that is full, read-only, or another account's."""
    folder = constants.HF_HUB_CACHE if cache is None else cache
    number = _system_error(error)
    if number is None:
        return ""
    if number in FULL:
        return (
            f"could not be stored: no room is left in {folder}; make room, or set HF_HOME "
            "(or cache_dir=) to a folder on a disk that has some"
        )
    return (
        f"could not be stored or read: the cache folder {folder} cannot be used "
        f"({os.strerror(number)}); set HF_HOME (or cache_dir=) to a folder of your own"
    )


def _other(error: BaseException) -> str:
    sentence = str(error).strip().partition("\n")[0].rstrip(".") or type(error).__name__
    # Options of a wrong kind, or that exclude each other, stay so, however often it is tried.
    again = "" if isinstance(error, ValueError | TypeError) else "; try again"
    return f"could not be downloaded: {sentence}{again}"


def _status(error: BaseException) -> int | None:
    """HTTP status behind an error, if there is one."""
    for link in _chain(error):
        if isinstance(link, HfHubHTTPError):
            return int(link.response.status_code)
    return None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error and what caused it, outermost first."""
    while error is not None:
        yield error
        error = error.__cause__
