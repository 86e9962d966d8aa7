"""Thousands of damaged or hostile checkpoints: one kind of error, or the very same tensors.

What counts as the same: names, shapes and types always; the values too, bit for bit, as long as
the digest that ``save_checkpoint`` writes into the file's metadata is still there. A file without
one (another tool wrote it) is read for what it says, so there valid floats may be any.
"""

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from tiny import CLASSES
from torch import Tensor

from fiancee_hub import CheckpointError
from fiancee_hub.core.cost import Costs
from fiancee_hub.core.exits import EarlyExitModel, ExitConfig, GuideConfig
from fiancee_hub.core.router import Calibration
from fiancee_hub.families.label_maps.config import OasisConfig
from fiancee_hub.families.label_maps.generator import OasisGenerator
from fiancee_hub.hub.checkpoints import CONFIG, WEIGHTS, load_checkpoint, save_checkpoint
from fiancee_hub.hub.config import CheckpointConfig
from fiancee_hub.hub.tensor_files import DIGEST, MAX_HEADER_BYTES, METADATA, digest, read_tensors
from fiancee_hub.pipeline import pipeline_class

BYTE_MUTANTS, HEADER_MUTANTS, CONFIG_MUTANTS = 700, 700, 700

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
        "label_maps", generator, CLASSES, exits, guides, Costs((10, 100), 1, 1, 1000), calibration
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
        self.path.unlink(missing_ok=True)  # a new file costs less than a truncated one
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
VALUES: tuple[object, ...] = (
    *NUMBERS, float("nan"), float("inf"), None, True, False, "", "F16", "F32", "F64", "BF16", "I64",
    "U8", "F8_E4M3", "../../../etc/passwd", "/etc/passwd", "\x00", "\n", "\ud800", "x" * 10_000,
    [], {}, [1], [0, 0], [[]], [None], [-1, 4],
    {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]},
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


def damaged_json(original: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """One or two values replaced, removed, nudged, exchanged, renamed or repeated."""
    text, everywhere = json.dumps(original), places(original)
    place, value = st.integers(0, len(everywhere) - 1), st.integers(0, len(VALUES) - 1)
    one = st.tuples(place, st.sampled_from(CHANGES), place, value)

    def apply(changes: list[tuple[int, Change, int, int]]) -> dict[str, Any]:
        mutant: dict[str, Any] = json.loads(text)
        for here, change, there, new in changes:
            # A place may be gone after the first change, or be of no fitting kind.
            with suppress(AttributeError, IndexError, KeyError, TypeError):
                change(mutant, everywhere[here], everywhere[there], fresh(VALUES[new]))
        return mutant

    return st.lists(one, min_size=1, max_size=2).map(apply)


def fresh(value: object) -> Any:
    return json.loads(json.dumps(value))


Change = Callable[[Any, Place, Place, Any], None]


def replace(mutant: Any, place: Place, _: Place, value: Any) -> None:
    parent_of(mutant, place)[place[-1]] = value


def remove(mutant: Any, place: Place, _: Place, __: Any) -> None:
    del parent_of(mutant, place)[place[-1]]


def nudge(mutant: Any, place: Place, _: Place, __: Any) -> None:
    parent_of(mutant, place)[place[-1]] += 1


def exchange(mutant: Any, place: Place, elsewhere: Place, _: Any) -> None:
    here, there = parent_of(mutant, place), parent_of(mutant, elsewhere)
    mine, theirs = here[place[-1]], there[elsewhere[-1]]
    here[place[-1]] = fresh(theirs)
    there[elsewhere[-1]] = fresh(mine)


def rename(mutant: Any, place: Place, elsewhere: Place, _: Any) -> None:
    parent = parent_of(mutant, place)
    parent[f"../{elsewhere[-1]}"] = parent.pop(place[-1])


def repeat(mutant: Any, place: Place, _: Place, __: Any) -> None:
    parent = parent_of(mutant, place)
    parent.insert(place[-1], parent[place[-1]])


CHANGES: tuple[Change, ...] = (replace, remove, nudge, exchange, rename, repeat)


def test_damaged_bytes(smallest: Path, tmp_path: Path) -> None:
    reader = Reader(smallest, tmp_path)

    @mutants(BYTE_MUTANTS)
    @given(damaged_bytes(reader.content))
    def check(mutant: bytes) -> None:
        reader.read(mutant)

    check()
    assert reader.count.total() >= BYTE_MUTANTS
    assert reader.count["refused"] > BYTE_MUTANTS / 2


def test_hostile_headers(smallest: Path, tmp_path: Path) -> None:
    reader = Reader(smallest, tmp_path)
    header, data = split(reader.content)

    @mutants(HEADER_MUTANTS)
    @given(damaged_json(header))
    def check(mutant: dict[str, Any]) -> None:
        reader.read(joined(mutant, data))

    check()
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
        result = pipeline_class(config)(model, config)([[0] * 16] * 16, budget=0.1)
        assert result.macs > 0

    check()
    assert count.total() >= CONFIG_MUTANTS
    assert count["refused"] > CONFIG_MUTANTS / 2


def hostile(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    """A change of the header of the weights; the data stay as they are."""

    def damage(folder: Path) -> None:
        header, data = split((folder / WEIGHTS).read_bytes())
        change(header)
        (folder / WEIGHTS).write_bytes(joined(header, data))

    return damage


def set_in(name: str, key: str, value: object) -> Callable[[Path], None]:
    return hostile(lambda header: header[name].update({key: value}))


def named_twice(folder: Path) -> None:
    """Two readers may take two different tensors."""
    header, data = split((folder / WEIGHTS).read_bytes())
    text = json.dumps(header)[:-1] + f', "{BIAS}": ' + json.dumps(header[BIAS]) + "}"
    (folder / WEIGHTS).write_bytes(joined(text.encode(), data))


def overlapping(header: dict[str, Any]) -> None:
    header[BIAS]["data_offsets"] = header["trunk.to_rgb.bias"]["data_offsets"] = [0, 6]


def exchanged(header: dict[str, Any]) -> None:
    one, other = header[LIKE_BIAS], header[BIAS]
    one["data_offsets"], other["data_offsets"] = other["data_offsets"], one["data_offsets"]


def long_data(folder: Path) -> None:
    with (folder / WEIGHTS).open("ab") as file:
        file.write(b"PK\x03\x04 a second file in the same bytes")


def zip_of_pickle(folder: Path) -> None:
    torch.save({"trap": torch.zeros(3)}, folder / WEIGHTS)


def pipe_instead(name: str) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        (folder / name).unlink()
        os.mkfifo(folder / name)

    return damage


def device_instead(name: str) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        (folder / name).unlink()
        (folder / name).symlink_to("/dev/zero")

    return damage


def deep_header(folder: Path) -> None:
    text = b'{"a":' + b"[" * 100_000
    (folder / WEIGHTS).write_bytes(joined(text, b""))


def many_names(folder: Path) -> None:
    names = b",".join(b'"%x":0' % index for index in range(MAX_HEADER_BYTES // 12))
    (folder / WEIGHTS).write_bytes(joined(b"{" + names + b"}", b""))


def large_header(folder: Path) -> None:
    text = b"{" + b" " * MAX_HEADER_BYTES + b"}"
    (folder / WEIGHTS).write_bytes(joined(text, b""))


def cost(value: int) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        raw = json.loads((folder / CONFIG).read_text())
        raw["costs"]["predictor"] = value
        (folder / CONFIG).write_text(json.dumps(raw))

    return damage


def enormous(folder: Path) -> None:
    """Every size within its bounds, and yet more than 10**12 values in all."""
    raw = json.loads((folder / CONFIG).read_text())
    raw["generator"] |= {"height": 2048, "width": 2048, "classes": 6, "noise_channels": 1024}
    raw["generator"] |= {"channels": [4096] * 4, "hidden": [1024] * 3}
    raw["guides"] = {"entries": 65536, "value_shape": [768, 1024, 1024]}
    (folder / CONFIG).write_text(json.dumps(raw))


BIAS, LIKE_BIAS = "trunk.head.bias", "trunk.blocks.0.conv_0.bias"
HOSTILE: dict[str, tuple[Callable[[Path], None], str, str]] = {
    "negative size": (set_in(BIAS, "shape", [-4]), WEIGHTS, f"'{BIAS}' has a shape"),
    "size of a float": (set_in(BIAS, "shape", [4.0]), WEIGHTS, f"'{BIAS}' has a shape"),
    "size beyond 64 bits": (set_in(BIAS, "shape", [2**64]), WEIGHTS, f"'{BIAS}' has a shape"),
    "negative offset": (set_in(BIAS, "data_offsets", [-8, 0]), WEIGHTS, f"'{BIAS}' has data_off"),
    "offsets exchanged": (set_in(BIAS, "data_offsets", [8, 0]), WEIGHTS, f"'{BIAS}' needs 8 bytes"),
    "offset beyond the file": (
        set_in(BIAS, "data_offsets", [2**40, 2**40 + 8]),
        WEIGHTS,
        "leaves a gap before it",
    ),
    "overlapping offsets": (hostile(overlapping), WEIGHTS, "needs 8 bytes"),
    "two tensors in one place": (
        hostile(lambda header: header[BIAS].update(header[LIKE_BIAS])),
        WEIGHTS,
        "overlaps another",
    ),
    "two tensors exchanged": (hostile(exchanged), WEIGHTS, "not those it was written with"),
    "unknown type": (set_in(BIAS, "dtype", "F8_E4M3"), WEIGHTS, f"'{BIAS}' is F8_E4M3"),
    "bfloat16 for float16": (set_in(BIAS, "dtype", "BF16"), WEIGHTS, f"'{BIAS}' is BF16"),
    "type that is no text": (set_in(BIAS, "dtype", 3), WEIGHTS, f"'{BIAS}' has a dtype"),
    "entry with more": (set_in(BIAS, "file", "/etc/passwd"), WEIGHTS, f"'{BIAS}' lacks dtype"),
    "entry of nothing": (
        hostile(lambda header: header.update({BIAS: None})),
        WEIGHTS,
        f"'{BIAS}' lacks dtype",
    ),
    "path for a name": (
        hostile(lambda header: header.update({"../../evil": header[BIAS]})),
        WEIGHTS,
        "'../../evil' is unknown to config.json",
    ),
    "name that would paint the terminal": (
        hostile(lambda header: header.update({"\x1b[2J\n": header[BIAS]})),
        WEIGHTS,
        r"'\x1b[2J\n' is unknown to config.json",
    ),
    "endless name": (
        hostile(lambda header: header.update({"!" * 10**5: header[BIAS]})),
        WEIGHTS,
        "is unknown to config.json",
    ),
    "named twice": (named_twice, WEIGHTS, f"'{BIAS}' stands there twice"),
    "metadata of numbers": (
        hostile(lambda header: header.update({METADATA: {"a": 1}})),
        WEIGHTS,
        "no table of texts",
    ),
    "other digest": (
        hostile(lambda header: header[METADATA].update({DIGEST: "0" * 64})),
        WEIGHTS,
        "not those it was written with",
    ),
    "something behind the data": (long_data, WEIGHTS, "followed by something else"),
    "header nests too deep": (deep_header, WEIGHTS, "its header is no valid JSON"),
    "header of names only": (many_names, WEIGHTS, "lacks dtype"),
    "header too large": (large_header, WEIGHTS, "its header claims"),
    "zip of a pickle": (zip_of_pickle, WEIGHTS, "its header claims"),
    "pipe for the weights": (pipe_instead(WEIGHTS), WEIGHTS, "no regular file"),
    "pipe for the config": (pipe_instead(CONFIG), CONFIG, "no regular file"),
    "device for the weights": (device_instead(WEIGHTS), WEIGHTS, "no regular file"),
    "device for the config": (device_instead(CONFIG), CONFIG, "no regular file"),
    "cost beyond all numbers": (cost(10**400), CONFIG, "'costs.predictor'"),
    "negative cost": (cost(-1), CONFIG, "'costs.predictor'"),
    "10**12 values": (enormous, WEIGHTS, "config.json asks for"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_each_has_one_error_that_names_it(name: str, smallest: Path, tmp_path: Path) -> None:
    damage, file, reason = HOSTILE[name]
    folder = tmp_path / "checkpoint"
    shutil.copytree(smallest, folder)
    damage(folder)
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(folder)
    message = str(caught.value)
    assert str(folder / file) in message
    assert reason in message
    assert message.isprintable()
    assert len(message) < 1000


def test_without_a_digest_the_file_is_read_for_what_it_says(smallest: Path, tmp_path: Path) -> None:
    shutil.copytree(smallest, tmp_path / "checkpoint")
    hostile(exchanged)(tmp_path / "checkpoint")
    hostile(lambda header: header.pop(METADATA))(tmp_path / "checkpoint")
    found, original = (
        load_checkpoint(f)[0].state_dict() for f in (tmp_path / "checkpoint", smallest)
    )
    assert torch.equal(found[BIAS], original[LIKE_BIAS])


MEASURE = """
import resource, sys
from pathlib import Path
from fiancee_hub import CheckpointError
from fiancee_hub.hub.checkpoints import load_checkpoint

good, *hostile = (Path(word) for word in sys.argv[1:])
load_checkpoint(good)
for folder in hostile:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        load_checkpoint(folder)
        sys.exit(f"{folder} was accepted")
    except CheckpointError:
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        print(grown // 1024)
"""


def test_memory_is_bounded(smallest: Path, tmp_path: Path) -> None:
    """Whatever a checkpoint claims: at most 64 MiB more, in a fresh process."""
    names = ("10**12 values", "header of names only", "header too large", "size beyond 64 bits")
    folders = []
    for index, name in enumerate(names):
        folders.append(tmp_path / str(index))
        shutil.copytree(smallest, folders[-1])
        HOSTILE[name][0](folders[-1])
    words = [sys.executable, "-c", MEASURE, str(smallest), *map(str, folders)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    mebibytes = [int(line) for line in done.stdout.splitlines()]
    assert len(mebibytes) == len(names)
    assert max(mebibytes) <= 64
