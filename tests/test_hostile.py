"""Thousands of damaged or hostile checkpoints: one kind of error, or the very same tensors.

What counts as the same: names, shapes and types always; the values too, bit for bit, as long as
the digest that ``save_checkpoint`` writes into the file's metadata is still there. A file without
one (another tool wrote it) is read for what it says, so there valid floats may be any.
"""

import copy
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from tiny import CLASSES, random_model
from torch import Tensor

from fiancee_hub import CheckpointError, FianceePipeline
from fiancee_hub.config import CheckpointConfig
from fiancee_hub.cost import Costs
from fiancee_hub.hub import CONFIG, WEIGHTS, load_checkpoint, save_checkpoint
from fiancee_hub.models.exits import EarlyExitModel, ExitConfig, GuideConfig
from fiancee_hub.models.oasis import OasisConfig, OasisGenerator
from fiancee_hub.router import Calibration
from fiancee_hub.tensor_files import DIGEST, MAX_HEADER_BYTES, METADATA, digest, read_tensors

BYTE_MUTANTS, HEADER_MUTANTS, CONFIG_MUTANTS = 900, 900, 900

Mutants = Callable[..., Any]


def mutants(count: int) -> Mutants:
    """Settings for ``count`` mutants, the same in every run."""
    return settings(
        max_examples=count,
        deadline=None,
        derandomize=True,
        database=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )


@pytest.fixture(scope="module")
def smallest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of everything a checkpoint can hold, small enough to load in milliseconds."""
    generator = OasisConfig(len(CLASSES), 16, 16, (4,) * 4, (2,) * 3, noise_channels=2)
    exits, guides = (ExitConfig(1, 2),), GuideConfig(2, (3, 2, 2))
    calibration = Calibration(0.9, 0.9, 9, (0.05, 0.1), (None, 0.5), {"drawn": 9})
    config = CheckpointConfig(
        "oasis", generator, CLASSES, exits, guides, Costs((10, 100), 1, 1, 1000), calibration
    )
    torch.manual_seed(0)
    model = EarlyExitModel(OasisGenerator(generator), exits, guides)
    folder = tmp_path_factory.mktemp("smallest")
    save_checkpoint(folder, model, config)
    return folder


def split(content: bytes) -> tuple[dict[str, Any], bytes]:
    """Header and data of a safetensors file."""
    end = 8 + int.from_bytes(content[:8], "little")
    return json.loads(content[8:end]), content[end:]


def joined(header: object, data: bytes) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def unchanged(found: dict[str, Tensor], original: dict[str, Tensor]) -> bool:
    """Whether names, shapes, types and every bit of the values are the same."""
    return found.keys() == original.keys() and digest(found) == digest(original)


def same_form(found: dict[str, Tensor], original: dict[str, Tensor]) -> bool:
    """Whether names, shapes and types are the same, and all values finite."""
    return found.keys() == original.keys() and all(
        tensor.shape == original[name].shape
        and tensor.dtype == original[name].dtype
        and bool(tensor.isfinite().all())
        for name, tensor in found.items()
    )


class Reader:
    """Reads one mutant after another and keeps count of what became of them."""

    def __init__(self, folder: Path, scratch: Path) -> None:
        self.path = scratch / WEIGHTS
        self.content = (folder / WEIGHTS).read_bytes()
        model, _ = load_checkpoint(folder)
        self.original = model.state_dict()
        self.count: Counter[str] = Counter()

    def read(self, mutant: bytes) -> None:
        """Any outcome but a CheckpointError and the original tensors is a failure."""
        self.path.write_bytes(mutant)
        try:
            found = read_tensors(self.path, self.original)
        except CheckpointError as error:
            self.count["refused"] += 1
            assert str(self.path) in str(error)
            assert "\n" not in str(error)
            assert len(str(error)) < 1000
            return
        self.count["same" if unchanged(found, self.original) else "other values"] += 1
        if not unchanged(found, self.original):
            header, _ = split(mutant)
            assert DIGEST not in header.get(METADATA, {})
            assert same_form(found, self.original)


@st.composite
def damaged_bytes(draw: st.DrawFn, content: bytes) -> bytes:
    """One to three cuts, insertions, or overwritten runs; half of them in the header."""
    header_end = 8 + int.from_bytes(content[:8], "little")
    for _ in range(draw(st.integers(1, 3))):
        end = draw(st.sampled_from((8, header_end, len(content))))
        begin = draw(st.integers(0, min(end, len(content))))
        stop = begin + draw(st.sampled_from((0, 1, 1, 1, 2, 8, 64, len(content))))
        content = content[:begin] + draw(st.binary(max_size=16)) + content[stop:]
    return content


NUMBERS = (-1, 0, 1, 2, 3, 8, 2**31, 2**63 - 1, 2**63, 2**64, 10**12, 10**400, 1.0, 0.5, 1e308)
VALUES = (
    *NUMBERS, float("nan"), float("inf"), None, True, False, "", "F16", "F32", "F64", "BF16", "I64",
    "U8", "F8_E4M3", "../../../etc/passwd", "/etc/passwd", "\x00", "\n", "\ud800", "x" * 10_000,
    [], {}, [1], [0, 0], [[]], [None], [-1, 4], {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]},
)  # fmt: skip

Place = tuple[str | int, ...]


def places(value: object, above: Place = ()) -> list[Place]:
    """Paths to everything that a JSON value holds."""
    children = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    found: list[Place] = [above] if above else []
    for key, child in children:
        found += places(child, (*above, key))
    return found


def parent_of(value: Any, place: Place) -> Any:
    for key in place[:-1]:
        value = value[key]
    return value


@st.composite
def damaged_json(draw: st.DrawFn, original: dict[str, Any]) -> dict[str, Any]:
    """One or two values replaced, removed, nudged, exchanged, or given to a new name."""
    mutant = copy.deepcopy(original)
    for _ in range(draw(st.integers(1, 2))):
        place = draw(st.sampled_from(places(mutant)))
        parent, key = parent_of(mutant, place), place[-1]
        match draw(st.sampled_from(("replace", "remove", "nudge", "exchange", "rename", "repeat"))):
            case "remove":
                del parent[key]
            case "nudge" if type(parent[key]) in (int, float):
                parent[key] += draw(st.sampled_from((-2, -1, 1, 2, 0.5)))
            case "exchange":
                place = draw(st.sampled_from(places(mutant)))
                other, key_there = parent_of(mutant, place), place[-1]
                mine, theirs = copy.deepcopy((parent[key], other[key_there]))
                parent[key] = theirs
                if key_there in other if isinstance(other, dict) else key_there < len(other):
                    other[key_there] = mine
            case "rename" if isinstance(parent, dict):
                parent[draw(st.sampled_from(("extra", "../model", "__metadata__", "")))] = (
                    parent.pop(key)
                )
            case "repeat" if isinstance(parent, list):
                parent.insert(key, copy.deepcopy(parent[key]))
            case _:
                parent[key] = copy.deepcopy(draw(st.sampled_from(VALUES)))
        if not mutant:
            break
    return mutant


def test_damaged_bytes(smallest: Path, tmp_path: Path) -> None:
    reader = Reader(smallest, tmp_path)

    @mutants(BYTE_MUTANTS)
    @given(damaged_bytes(reader.content))
    def check(mutant: bytes) -> None:
        reader.read(mutant)

    check(); print(reader.count if "reader" in dir() else count)
    assert reader.count.total() >= BYTE_MUTANTS
    assert reader.count["refused"] > BYTE_MUTANTS / 2


def test_hostile_headers(smallest: Path, tmp_path: Path) -> None:
    reader = Reader(smallest, tmp_path)
    header, data = split(reader.content)

    @mutants(HEADER_MUTANTS)
    @given(damaged_json(header))
    def check(mutant: dict[str, Any]) -> None:
        reader.read(joined(mutant, data))

    check(); print(reader.count if "reader" in dir() else count)
    assert reader.count.total() >= HEADER_MUTANTS
    assert reader.count["refused"] > HEADER_MUTANTS / 2


def test_hostile_configs(smallest: Path, tmp_path: Path) -> None:
    """A config that is accepted belongs to the tensors, and the pipeline works with it."""
    raw = json.loads((smallest / CONFIG).read_text())
    original = load_checkpoint(smallest)[0].state_dict()
    (tmp_path / WEIGHTS).symlink_to(smallest / WEIGHTS)
    count: Counter[str] = Counter()

    @mutants(CONFIG_MUTANTS)
    @given(damaged_json(raw))
    def check(mutant: dict[str, Any]) -> None:
        (tmp_path / CONFIG).write_text(json.dumps(mutant))
        try:
            model, config = load_checkpoint(tmp_path)
        except CheckpointError as error:
            count["refused"] += 1
            assert str(tmp_path) in str(error)
            assert "\n" not in str(error)
            return
        count["accepted"] += 1
        assert unchanged(model.state_dict(), original)
        result = FianceePipeline(model, config)([[0] * 16] * 16, budget=0.1)
        assert result.macs > 0

    check(); print(reader.count if "reader" in dir() else count)
    assert count.total() >= CONFIG_MUTANTS
    assert count["refused"] > CONFIG_MUTANTS / 2
