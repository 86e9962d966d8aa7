"""A checkpoint as ONNX graphs and a manifest: what other runtimes, phones and browsers read."""

import dataclasses
import hashlib
import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch import Tensor

from fiancee_hub.backends.parts import Part, distance_part, parts
from fiancee_hub.core.exits import EarlyExitModel
from fiancee_hub.core.files import write_bytes, write_text

if TYPE_CHECKING:
    import onnx

logger = logging.getLogger(__name__)

for chatty in ("onnxscript", "onnx_ir"):  # They tell of every node that they fold or leave.
    logging.getLogger(chatty).setLevel(logging.ERROR)

FORMAT = 1
OPSET = 20
MANIFEST = "manifest.json"

Precision = Literal["fp16", "fp32"]

LEAST_HALVED = 256
"""Tensors with fewer values stay in float32: they weigh nothing."""


def export(
    model: EarlyExitModel,
    folder: Path,
    checkpoint: dict[str, Any],
    *,
    precision: Precision = "fp16",
    distance: bool = False,
) -> dict[str, Any]:
    """Writes one ONNX file for each part of a model, and ``manifest.json``.

    Args:
        model: in evaluation mode, float32, on the CPU.
        folder: created if missing.
        checkpoint: what a reader must know of the checkpoint: its config, digest of its weights.
        precision: of the stored weights; all arithmetic is float32.
        distance: write LPIPS as well, the graph ``lpips`` (5 MB; package ``lpips``).

    Returns:
        the manifest: ``graphs`` (name, file, bytes, sha256, inputs and outputs of each),
        ``exits``, ``opset``, ``precision`` and ``checkpoint``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    graphs = []
    for part in [*parts(model), *([distance_part(model)] if distance else [])]:
        proto = as_onnx(part)
        if precision == "fp16":
            _halve(proto)
        graphs.append(_written(part, proto, folder))
        logger.info("%s: %.2f MB", graphs[-1]["file"], graphs[-1]["bytes"] / 1e6)
    manifest = {
        "format": FORMAT,
        "opset": OPSET,
        "precision": precision,
        "exits": [dataclasses.asdict(config) for config in model.exit_configs],
        "graphs": graphs,
        "checkpoint": checkpoint,
    }
    text = json.dumps(manifest, indent=1) + "\n"
    write_text(folder / MANIFEST, text)
    return manifest


def as_onnx(part: Part) -> "onnx.ModelProto":
    """A part as ONNX, for batches of any size; inputs that it does not use are left out."""
    program = torch.onnx.export(
        part.module,
        tuple(part.inputs.values()),
        input_names=list(part.inputs),
        output_names=list(part.outputs),
        dynamic_shapes=[tuple({0: torch.export.Dim.DYNAMIC} for _ in part.inputs)],
        opset_version=OPSET,
        dynamo=True,
        verbose=False,
    )
    assert program is not None
    graph = program.model.graph
    for value in list(graph.inputs):
        if not value.uses():
            graph.inputs.remove(value)
    return program.model_proto


def _halve(proto: "onnx.ModelProto") -> None:
    """Stores the weights as float16, each cast back once when the graph is loaded."""
    import onnx
    from onnx import numpy_helper

    graph, casts = proto.graph, []
    for tensor in graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype != np.float32 or values.size < LEAST_HALVED:
            continue
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}-half"))
        casts.append(
            onnx.helper.make_node("Cast", [f"{name}-half"], [name], to=onnx.TensorProto.FLOAT)
        )
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)


def _written(part: Part, proto: "onnx.ModelProto", folder: Path) -> dict[str, Any]:
    content = proto.SerializeToString()
    path = folder / f"{part.name}.onnx"
    write_bytes(path, content)
    used = {value.name for value in proto.graph.input}
    return {
        "name": part.name,
        "file": path.name,
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "inputs": [_shape(name, t) for name, t in part.inputs.items() if name in used],
        "outputs": list(part.outputs),
    }


def _shape(name: str, tensor: Tensor) -> dict[str, Any]:
    kind = str(tensor.dtype).removeprefix("torch.")
    return {"name": name, "shape": ["batch", *tensor.shape[1:]], "type": kind}
