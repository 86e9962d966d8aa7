"""Graphs that are written once for all tests: the same part of the same model is the same graph."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from torch import nn

from fiancee_hub.backends import export
from fiancee_hub.backends.parts import Part
from fiancee_hub.core.files import write_bytes


@contextmanager
def sharing(folder: Path) -> Iterator[None]:
    """Whoever asks for a part's graph gets a copy of the first; processes may share the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(export, "as_onnx", _once(export.as_onnx, folder))
        yield


def _once(write: Callable[[Part], Any], folder: Path) -> Callable[[Part], Any]:
    def graph(part: Part) -> Any:
        import onnx

        path = folder / f"{_mark(part)}.onnx"
        if not path.is_file():
            write_bytes(path, write(part).SerializeToString())
        return onnx.load_model_from_string(path.read_bytes())

    return graph


def _mark(part: Part) -> str:
    """Digest of all that a graph is made of; the name says which function of the model it is."""
    model = part.module.model
    assert isinstance(model, nn.Module)
    found = hashlib.sha256(repr((part.name, part.outputs, model)).encode())
    for name, tensor in part.inputs.items():
        found.update(repr((name, tensor.shape, tensor.dtype)).encode())
    for path, module in model.named_modules():
        plain = sorted((name, value) for name, value in vars(module).items() if name[0] != "_")
        found.update(repr((path, type(module), plain)).encode())
    for name, tensor in chain(model.named_parameters(), model.named_buffers()):
        found.update(repr((name, tensor.shape, tensor.dtype)).encode())
        found.update(tensor.detach().contiguous().numpy().tobytes())
    return found.hexdigest()
