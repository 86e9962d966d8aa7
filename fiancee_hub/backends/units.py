"""Parts of a model in OpenVINO and in ONNX Runtime."""

import warnings
from queue import Empty, SimpleQueue
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from fiancee_hub.backends.parts import Part, leaves
from fiancee_hub.backends.sessions import OPENVINO, OnnxRuntimeSession
from fiancee_hub.core.placing import CPU


class OpenVinoUnit:
    """A part in OpenVINO, made for one picture: the rows of a batch run one after another.

    Tensors are handed over as they lie in memory, channels last: a copy into another layout takes
    longer than a cheap exit's arithmetic.

    Args:
        part: of a model, float32, on the CPU.
        threads: that one run may use.
        precision: of the arithmetic, ``"f32"`` or ``"bf16"``.
    """

    def __init__(self, part: Part, threads: int, precision: str = "f32") -> None:
        from fiancee_hub.backends.silent import openvino

        package = openvino()
        examples = tuple(_last(tensor[:1]) for tensor in part.inputs.values())
        with warnings.catch_warnings():
            # Sizes become constants, as they are for one picture.
            warnings.filterwarnings("ignore", category=Warning, module="fiancee_hub")
            converted = package.convert_model(
                _ChannelsLast(part.module),
                example_input=examples,
                input=[list(tensor.shape) for tensor in examples],
            )
        # A pool that pins its threads fights with the other pools of the process.
        options = OPENVINO | {
            "ENABLE_CPU_PINNING": False,
            "INFERENCE_NUM_THREADS": threads,
            "INFERENCE_PRECISION_HINT": precision,
        }
        self._tensor = package.Tensor
        self._compiled = package.Core().compile_model(converted, "CPU", options)
        ports = enumerate(converted.inputs)
        self._used = [index for index, port in ports if port.get_target_inputs()]
        self._shape = tuple(self._compiled.outputs[0].shape)
        self._idle: SimpleQueue[Any] = SimpleQueue()

    def run(self, inputs: list[Tensor]) -> Tensor:
        given = {index: _last(inputs[index]) for index in self._used}
        made = torch.empty(len(inputs[0]), *self._shape[1:], dtype=torch.float32, device=CPU)
        request = self._request()
        for row in range(len(made)):
            for index, tensor in given.items():
                request.set_input_tensor(index, self._shared(tensor[row : row + 1]))
            request.set_output_tensor(0, self._shared(made[row : row + 1]))
            request.infer()
        self._idle.put(request)
        return made.permute(0, 3, 1, 2)

    def _request(self) -> Any:
        """One that no other thread is using."""
        try:
            return self._idle.get_nowait()
        except Empty:
            return self._compiled.create_infer_request()

    def _shared(self, tensor: Tensor) -> Any:
        return self._tensor(tensor.numpy(), shared_memory=True)


class OnnxRuntimeUnit:
    """A part in ONNX Runtime, made for batches of any size.

    Args:
        part: of a model, float32, on the CPU.
        threads: that one run may use.
    """

    def __init__(self, part: Part, threads: int) -> None:
        from fiancee_hub.backends.export import as_onnx

        proto = as_onnx(part)
        self._names = list(part.inputs)
        self._used = {value.name for value in proto.graph.input}
        self._session = OnnxRuntimeSession(proto.SerializeToString(), threads)

    def run(self, inputs: list[Tensor]) -> Tensor:
        given = {
            name: np.ascontiguousarray(tensor.numpy())
            for name, tensor in zip(self._names, inputs, strict=True)
            if name in self._used
        }
        (made,) = self._session.run(given)
        return torch.from_numpy(made)


class _ChannelsLast(nn.Module):
    """A part whose pictures and features have their channels last, (batch, h, w, channels)."""

    def __init__(self, part: nn.Module) -> None:
        super().__init__()
        # Not as a child: tracing would walk through the whole model.
        self._part = [part]

    def forward(self, *tensors: Tensor) -> Tensor:
        first = (t.permute(0, 3, 1, 2) if t.dim() == 4 else t for t in tensors)
        (made,) = leaves(self._part[0](*first))
        return made.permute(0, 2, 3, 1)


def _last(tensor: Tensor) -> Tensor:
    """Channels last and contiguous; no copy where it lies so already."""
    return tensor.permute(0, 2, 3, 1).contiguous() if tensor.dim() == 4 else tensor.contiguous()
