"""Runtimes that execute one ONNX file: ONNX Runtime and OpenVINO behind one small interface."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fiancee_hub.core.errors import InputError, missing_package

Array = NDArray[Any]


OPENVINO = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
"""One picture at a time, and the numbers of PyTorch."""


class Session(Protocol):
    """One loaded graph; many threads may run it at once."""

    def run(self, inputs: Mapping[str, Array]) -> list[Array]:
        """Outputs in the graph's order."""


class OnnxRuntimeSession:
    """ONNX Runtime on the processor (package ``onnxruntime``).

    Args:
        graph: the ONNX file, or its content.
        threads: that one run may use.
    """

    def __init__(self, graph: Path | bytes, threads: int) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        # Threads that spin while they wait take the processor from PyTorch's.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(
            graph if isinstance(graph, bytes) else str(graph),
            options,
            providers=["CPUExecutionProvider"],
        )

    def run(self, inputs: Mapping[str, Array]) -> list[Array]:
        found: list[Array] = self._session.run(None, dict(inputs))
        return found


class OpenVinoSession:
    """OpenVINO on the processor in float32 (package ``openvino``).

    Args:
        path: of the ONNX file.
        threads: that one run may use.
    """

    def __init__(self, path: Path, threads: int) -> None:
        from fiancee_hub.backends.silent import openvino

        options = OPENVINO | {"INFERENCE_NUM_THREADS": threads}
        self._compiled = openvino().Core().compile_model(str(path), "CPU", options)
        self._outputs = len(self._compiled.outputs)

    def run(self, inputs: Mapping[str, Array]) -> list[Array]:
        # A request of its own for each run: two threads may be in here.
        found = self._compiled.create_infer_request().infer(dict(inputs))
        return [np.array(found[index]) for index in range(self._outputs)]


SESSIONS: dict[str, type[Any]] = {"onnxruntime": OnnxRuntimeSession, "openvino": OpenVinoSession}
"""By the name that users give."""


def session(runtime: str, path: Path, threads: int) -> Session:
    """Loads a graph.

    Raises:
        InputError: there is no such runtime.
        MissingPackageError: it is not installed.
    """
    if runtime not in SESSIONS:
        raise InputError(f"there is no runtime {runtime!r}: choose {', '.join(SESSIONS)}")
    try:
        loaded: Session = SESSIONS[runtime](path, threads)
    except ModuleNotFoundError as error:
        raise missing_package(runtime, runtime) from error
    return loaded
