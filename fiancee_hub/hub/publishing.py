"""What a repository on the Hub would hold, and what should be settled before it is public."""

from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import utils
from huggingface_hub.errors import HFValidationError

from fiancee_hub.core.errors import InputError
from fiancee_hub.hub.checkpoints import CONFIG
from fiancee_hub.hub.config import CheckpointConfig, read_config
from fiancee_hub.hub.saving import EVALUATION, TRAINING_STATE, evaluation_of

LARGE = 10 * 2**20
"""Bytes from which the Hub keeps a file in its large-file storage."""


@dataclass(frozen=True)
class Publication:
    """A checkpoint as it would lie in its repository.

    Args:
        files: bytes of each file, by its name below the folder.
        terms: of the weights.
        remarks: what a publisher should know or mend first, a sentence each.
    """

    files: dict[str, int]
    terms: str
    remarks: tuple[str, ...]

    def __str__(self) -> str:
        lines = [
            f"{size / 2**20:8.2f} MiB  {name}{'  (large-file storage)' if size >= LARGE else ''}"
            for name, size in self.files.items()
        ]
        whole = sum(self.files.values()) / 2**20
        lines += [f"{whole:8.2f} MiB  in all, {len(self.files)} files", f"terms: {self.terms}"]
        return "\n".join(lines + [f"note: {remark}" for remark in self.remarks])


def inspect(folder: Path) -> Publication:
    """What a saved checkpoint would be on the Hub.

    Args:
        folder: as ``save_pretrained`` wrote it.
    """
    config = read_config(folder / CONFIG)
    found = (path for path in sorted(folder.rglob("*")) if path.is_file())
    files = {path.relative_to(folder).as_posix(): path.stat().st_size for path in found}
    domain = config.domain
    terms = domain.terms or domain.licence_name or domain.licence
    return Publication(files, terms, tuple(_remarks(folder, config, files)))


def check_repository(name: str) -> None:
    """Raises an InputError for what is no ``"user/repo"``."""
    try:
        utils.validate_repo_id(name)  # type: ignore[attr-defined]
    except HFValidationError as error:
        raise InputError(f"'{name}' is no repository: {error}") from None
    if name.count("/") != 1:
        raise InputError(f"'{name}' names no account: give it as user/repo")


def _remarks(folder: Path, config: CheckpointConfig, files: dict[str, int]) -> list[str]:
    domain = config.domain
    found = []
    if domain.licence == "other" and not (domain.licence_name or domain.terms):
        found.append(
            "no terms are stated: say under which licence the weights may be used, "
            "in the domain's part of config.json"
        )
    if not domain.sources:
        found.append("the data behind the weights is not named: list it as the domain's sources")
    if config.exits and config.calibration is None:
        found.append("the router is not calibrated: budgets are estimates; run `train calibrate`")
    if EVALUATION not in files:
        found.append("nothing was measured on these weights: run `evaluate`")
    elif evaluation_of(folder) is None:
        found.append("the figures are those of other weights: run `evaluate` again")
    if TRAINING_STATE in files:
        found.append(f"{TRAINING_STATE} is of use only to those who go on with the training")
    return found
