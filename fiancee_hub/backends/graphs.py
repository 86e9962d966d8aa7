"""Exported graphs as a model: exits that resume, without PyTorch's networks."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Lock
from typing import Any

from fiancee_hub.backends.export import FORMAT, MANIFEST
from fiancee_hub.backends.parts import PREDICTION
from fiancee_hub.backends.sessions import Array, Session, session
from fiancee_hub.core.errors import CheckpointError
from fiancee_hub.core.files import sha256_of


@dataclass(frozen=True)
class GraphProgress:
    """How far one call has come: every tensor that a graph has made, by its name.

    Args:
        tensors: condition, features of the stages that ran, guide.
        stages: trunk stages that ran.
    """

    tensors: Mapping[str, Array] = field(default_factory=dict)
    stages: int = 0


class GraphModel:
    """The exits of an exported checkpoint. Graphs are loaded when they are first needed.

    Args:
        folder: of ``export``.
        runtime: ``"onnxruntime"`` or ``"openvino"``.
        threads: that one run may use.

    Raises:
        CheckpointError: the folder holds no export that this version reads.
    """

    def __init__(self, folder: Path, runtime: str = "onnxruntime", threads: int = 2) -> None:
        self.folder, self.runtime, self.threads = folder, runtime, threads
        self.manifest = read_manifest(folder)
        self.graphs = {graph["name"]: graph for graph in self.manifest["graphs"]}
        self._sessions: dict[str, Session] = {}
        self._lock = Lock()

    @property
    def exits(self) -> int:
        """Number of exits, full depth included."""
        return 1 + sum(name.startswith("branch-") for name in self.graphs)

    @property
    def trunk_stages(self) -> int:
        return sum(name.startswith("stage-") for name in self.graphs)

    def stages_of(self, exit_index: int) -> int:
        """Trunk stages that an exit (1 … ``exits``) needs."""
        if exit_index == self.exits:
            return self.trunk_stages
        return int(self.manifest["exits"][exit_index - 1]["stage"])

    def encode(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """What a family reads once for many calls (a face's source); from some inputs of ``start``
        to others, by their names ``input-0`` …"""
        return self._run("encoder", inputs)

    def start(self, *inputs: Array) -> GraphProgress:
        """Prepares a call; ``inputs`` are the family's, with the batch first."""
        given = {f"input-{index}": array for index, array in enumerate(inputs)}
        return GraphProgress(self._run("condition", given))

    def predict(self, progress: GraphProgress) -> tuple[Array, Array]:
        """Mean and spread of every branch's LPIPS to full depth, (batch, branches) each."""
        found = self._run("predictor", progress.tensors)
        mean, spread = (found[name] for name in PREDICTION)
        return mean, spread

    def advance(self, progress: GraphProgress, stages: int) -> GraphProgress:
        """Runs the trunk until ``stages`` stages are done; those already done are kept."""
        tensors = dict(progress.tensors)
        for index in range(progress.stages, stages):
            tensors |= self._run(f"stage-{index + 1}", tensors)
        return GraphProgress(tensors, max(progress.stages, stages))

    def render(self, progress: GraphProgress, exit_index: int) -> tuple[Array, GraphProgress]:
        """Image (batch, 3, height, width) in [-1, 1] of an exit, and the progress to go on from."""
        stages = self.stages_of(exit_index)
        progress = self.advance(progress, stages)
        if exit_index == self.exits:
            return self._run("image", progress.tensors)["image"], progress
        if stages and "guides" in self.graphs and "guide" not in progress.tensors:
            guide = self._run("guides", progress.tensors)
            progress = replace(progress, tensors={**progress.tensors, **guide})
        return self._run(f"branch-{exit_index}", progress.tensors)["image"], progress

    def _run(self, name: str, tensors: Mapping[str, Array]) -> dict[str, Array]:
        graph = self.graphs[name]
        given = {entry["name"]: tensors[entry["name"]] for entry in graph["inputs"]}
        return dict(zip(graph["outputs"], self._session(name).run(given), strict=True))

    def _session(self, name: str) -> Session:
        with self._lock:
            if name not in self._sessions:
                path = self.folder / self.graphs[name]["file"]
                _check(path, self.graphs[name])
                self._sessions[name] = session(self.runtime, path, self.threads)
            return self._sessions[name]


def read_manifest(folder: Path) -> dict[str, Any]:
    """manifest.json of an export.

    Raises:
        CheckpointError: it is missing, damaged, or of another version.
    """
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"{path} is missing or damaged: write it with `fiancee-hub export`"
        ) from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise CheckpointError(f"{path} has another format than {FORMAT}: export it again")
    return manifest


def _check(path: Path, graph: Mapping[str, Any]) -> None:
    try:
        digest = sha256_of(path)
    except OSError as error:
        raise CheckpointError(f"{path} is missing: export the checkpoint again") from error
    if digest != graph["sha256"]:
        raise CheckpointError(f"{path} is not the file that {MANIFEST} names: export again")
