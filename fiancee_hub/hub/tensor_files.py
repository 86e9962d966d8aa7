"""model.safetensors: everything is checked before a value is read; pickle is never looked at.

The header is parsed here too, not only by the safetensors library: its errors then name the
tensor, and a file on which two readers could disagree (a name twice, overlapping data) is refused.
The checks take memory for the header alone, of which ``MAX_HEADER_BYTES`` are accepted.
"""

import hashlib
import json
import math
import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from fiancee_hub.core.errors import CheckpointError
from fiancee_hub.core.files import replacing
from fiancee_hub.core.lfs import check_fetched

MAX_HEADER_BYTES = 2**20
METADATA = "__metadata__"
DIGEST = "sha256"
"""Metadata entry with the digest of all tensors; a file without it is read all the same."""

BYTES_PER_VALUE = {"F16": 2, "F32": 4, "I64": 8}
FLOATS, INTEGERS = ("F16", "F32"), ("I64",)
TYPE_NAMES = {torch.float16: "F16", torch.float32: "F32", torch.int64: "I64"}
LONGEST_NAME = 80
"""Characters of a name that an error repeats: the file may be hostile."""


@dataclass(frozen=True)
class Entry:
    """One tensor of the header: its type, shape, and place in the data."""

    kind: str
    shape: tuple[int, ...]
    begin: int
    end: int


def read_tensors(path: Path, expected: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors of a safetensors file, as float32, after checking names, shapes and values.

    Args:
        path: the file.
        expected: names and shapes (meta tensors will do).

    Raises:
        CheckpointError: the file is missing or damaged, or a tensor is missing, unknown, of
            another shape or type, elsewhere than it should be, or holds NaN or infinity.
    """
    try:
        entries, metadata, data_bytes = _read_header(path)
        _check_names(path, entries, expected)
        for name, like in expected.items():
            _check_entry(path, name, entries[name], like)
        _check_places(path, entries, data_bytes)
        return _read_values(path, expected, metadata)
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror or error})") from error
    except SafetensorError as error:
        raise CheckpointError(f"{path}: no valid safetensors file ({error})") from error


def write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Writes contiguous CPU tensors with their digest, at once or not at all.

    The file that was there is replaced, not overwritten: whoever has it mapped keeps the old one.

    Raises:
        CheckpointError: a tensor holds NaN or infinity, perhaps since float16 ends at 65504.
    """
    for name, tensor in tensors.items():
        _check_finite(path, name, tensor)
    # One entry only: the library writes several in any order, and files would differ.
    with replacing(path) as partial:
        save_file(dict(tensors), partial, metadata={DIGEST: digest(tensors)})


def digest(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 over all tensors by name: a line "name type shape" and the values' bytes of each."""
    state = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name]
        shape = ",".join(str(size) for size in tensor.shape)
        state.update(f"{name} {TYPE_NAMES[tensor.dtype]} [{shape}]\n".encode())
        state.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return state.hexdigest()


def is_regular(path: Path) -> bool:
    """Whether ``path`` is missing (whoever opens it will say so) or a plain file.

    Opening a pipe or a device would wait for ever, or never end.
    """
    try:
        return path.is_file() or not path.exists()
    except OSError:
        return True  # Not even that can be told: opening it fails, and the error says why.


def _read_header(path: Path) -> tuple[dict[str, Entry], dict[str, str], int]:
    """Entries by name, the metadata, and the number of bytes after the header."""
    if not is_regular(path):
        raise CheckpointError(f"{path}: no regular file")
    check_fetched(path)
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size < 8:
            raise CheckpointError(f"{path}: no valid safetensors file ({size} bytes)")
        length = int.from_bytes(file.read(8), "little")
        if length > min(MAX_HEADER_BYTES, size - 8):
            raise CheckpointError(
                f"{path}: no safetensors file, or damaged (its header claims {length} bytes)"
            )
        text = file.read(length)
    raw = _parse_header(path, text)
    metadata = raw.pop(METADATA, {})
    if not isinstance(metadata, dict) or not all(type(v) is str for v in metadata.values()):
        raise CheckpointError(f"{path}: {METADATA} is no table of texts")
    entries = {name: _entry(path, name, value) for name, value in raw.items()}
    return entries, metadata, size - 8 - length


def _parse_header(path: Path, text: bytes) -> dict[str, Any]:
    try:
        raw = json.loads(text.decode("utf-8"), object_pairs_hook=_without_repetition)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: its header is no valid JSON ({error})") from error
    if not isinstance(raw, dict):
        raise CheckpointError(f"{path}: its header is no JSON object")
    return raw


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) < len(pairs):
        (twice, _), *_ = Counter(name for name, _ in pairs).most_common(1)
        raise ValueError(f"'{_shown(twice)}' stands there twice")
    return table


def _entry(path: Path, name: str, raw: Any) -> Entry:
    """An entry of the header, its parts of the right type; whether they fit is checked later."""
    where = f"{path}: tensor '{_shown(name)}'"
    if not isinstance(raw, dict) or raw.keys() != {"dtype", "shape", "data_offsets"}:
        raise CheckpointError(f"{where} lacks dtype, shape and data_offsets, or has more")
    kind, shape, offsets = raw["dtype"], raw["shape"], raw["data_offsets"]
    if type(kind) is not str:
        raise CheckpointError(f"{where} has a dtype that is no text")
    if not _are_sizes(shape):
        raise CheckpointError(f"{where} has a shape that is no list of sizes from 0 on")
    if not _are_sizes(offsets) or len(offsets) != 2:
        raise CheckpointError(f"{where} has data_offsets that are no two numbers from 0 on")
    return Entry(kind, tuple(shape), *offsets)


def _are_sizes(value: Any) -> bool:
    return isinstance(value, list) and all(type(v) is int and 0 <= v < 2**63 for v in value)


def _check_names(path: Path, found: Mapping[str, Entry], expected: Mapping[str, Tensor]) -> None:
    for problem, names in (
        ("is missing", expected.keys() - found.keys()),
        ("is unknown to config.json", found.keys() - expected.keys()),
    ):
        if names:
            more = f" (and {len(names) - 1} more)" if len(names) > 1 else ""
            raise CheckpointError(f"{path}: tensor '{_shown(min(names))}' {problem}{more}")


def _check_entry(path: Path, name: str, entry: Entry, like: Tensor) -> None:
    where = f"{path}: tensor '{_shown(name)}'"
    if entry.shape != tuple(like.shape):
        wanted = tuple(like.shape)
        raise CheckpointError(f"{where} has shape {entry.shape}, config.json asks for {wanted}")
    allowed = FLOATS if like.is_floating_point() else INTEGERS
    if entry.kind not in allowed:
        raise CheckpointError(
            f"{where} is {_shown(entry.kind)}, config.json asks for {' or '.join(allowed)}"
        )
    needed = BYTES_PER_VALUE[entry.kind] * math.prod(entry.shape)
    if entry.end - entry.begin != needed:
        raise CheckpointError(f"{where} needs {needed} bytes, its data_offsets say otherwise")


def _check_places(path: Path, entries: Mapping[str, Entry], data_bytes: int) -> None:
    """The tensors must fill the data from its first byte to its last, each byte once."""
    position = 0
    for name, entry in sorted(entries.items(), key=lambda item: (item[1].begin, item[1].end)):
        if entry.begin != position:
            problem = "overlaps another" if entry.begin < position else "leaves a gap before it"
            raise CheckpointError(f"{path}: tensor '{_shown(name)}' {problem}")
        position = entry.end
    if position != data_bytes:
        problem = "truncated" if position > data_bytes else "followed by something else"
        raise CheckpointError(
            f"{path}: no valid safetensors file ({problem}: {data_bytes} bytes of data, "
            f"{position} announced)"
        )


def _read_values(
    path: Path, expected: Mapping[str, Tensor], metadata: Mapping[str, str]
) -> dict[str, Tensor]:
    # Whatever the caller's default device is.
    with torch.device("cpu"), safe_open(path, "pt", device="cpu") as file:
        stored = {name: file.get_tensor(name) for name in expected}
    if DIGEST in metadata and metadata[DIGEST] != digest(stored):
        raise CheckpointError(
            f"{path}: the tensors are not those it was written with ({METADATA} states another "
            f"{DIGEST}): fetch the file again"
        )
    for name, tensor in stored.items():
        _check_finite(path, name, tensor)
    return {name: _loaded(tensor) for name, tensor in stored.items()}


def _check_finite(path: Path, name: str, tensor: Tensor) -> None:
    if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
        raise CheckpointError(f"{path}: tensor '{_shown(name)}' holds NaN or infinity")


def _loaded(tensor: Tensor) -> Tensor:
    """A tensor for the model: float32, and its own memory, not the file's."""
    if not tensor.is_floating_point():
        return tensor.clone()
    layout = torch.channels_last if tensor.dim() == 4 else torch.contiguous_format
    return tensor.to(torch.float32, copy=True, memory_format=layout)


def _shown(name: str) -> str:
    text = ascii(name)[1:-1]
    return text if len(text) <= LONGEST_NAME else f"{text[:LONGEST_NAME]}…"
