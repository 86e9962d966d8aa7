"""A pipeline by reference to its checkpoint: what is pickled for other processes, a few hundred
bytes instead of the weights."""

from dataclasses import dataclass
from pathlib import Path

from fiancee_hub.core.errors import CheckpointError
from fiancee_hub.core.exits import EarlyExitModel
from fiancee_hub.core.files import sha256_of
from fiancee_hub.hub.checkpoints import CONFIG, resolve, weights_of
from fiancee_hub.hub.download import Snapshot
from fiancee_hub.hub.saving import has_weights

HOW = (
    "save it with save_pretrained(FOLDER), load it with from_pretrained(FOLDER) and pickle that, "
    "or load it anew in every process"
)


@dataclass(frozen=True)
class Reference:
    """Where a checkpoint lies, and which one it is.

    Args:
        folder: absolute path.
        digest: SHA-256 of the weights' file.
        repository: on the Hub, for machines without the folder.
        commit: of the repository.
        variant: of the weights.
        subfolder: where it lies in the repository.
        local_files_only: the Hub is asked for nothing.
    """

    folder: str
    digest: str
    repository: str | None = None
    commit: str | None = None
    variant: str | None = None
    subfolder: str = ""
    local_files_only: bool = False

    def locate(self) -> Path:
        """The folder, on this machine or fetched from the Hub.

        Raises:
            CheckpointError: it is not there, or holds other weights by now.
        """
        folder, weights = Path(self.folder), weights_of(self.variant)
        if not (folder / CONFIG).is_file() and self.repository is not None:
            pinned = f"{self.repository}@{self.commit}"
            folder = resolve(
                pinned,
                files=(CONFIG, weights),
                subfolder=self.subfolder,
                local_files_only=self.local_files_only,
            )
        if not (folder / weights).is_file():
            raise CheckpointError(
                f"the pickled pipeline's checkpoint {folder} is not on this machine: copy it "
                "there, or pickle a pipeline that was loaded from the Hub"
            )
        if sha256_of(folder / weights) != self.digest:
            raise CheckpointError(
                f"{folder} holds other weights than when the pipeline was pickled: pickle it anew"
            )
        return folder


def reference_to(
    model: EarlyExitModel,
    folder: Path | None,
    snapshot: Snapshot | None,
    variant: str | None = None,
) -> Reference:
    """The reference to the checkpoint that a model was loaded from.

    Raises:
        CheckpointError: it was loaded from none, or was changed since: nothing on disk holds it.
    """
    if folder is None:
        raise CheckpointError(
            f"a pipeline that was not loaded from a checkpoint cannot be pickled: {HOW}"
        )
    weights = weights_of(variant)
    if not has_weights(folder, model, rounded=True, weights=weights):
        raise CheckpointError(
            f"the pipeline's weights are no longer those of {folder}, by which it is pickled: {HOW}"
        )
    return Reference(
        str(folder.absolute()),
        sha256_of(folder / weights),
        snapshot.repository if snapshot else None,
        snapshot.commit if snapshot else None,
        variant,
        snapshot.subfolder if snapshot else "",
        snapshot is not None and snapshot.local_files_only,
    )
