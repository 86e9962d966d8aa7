"""Every backend makes the pictures of eager PyTorch, and takes the same exits."""

import copy
import json
import logging
import pickle
import shutil
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import tiny_faces
import torch
from PIL import Image

from fiancee_hub import FianceeError, FianceePipeline, InputError, MissingPackageError, Result
from fiancee_hub.backends import choosing
from fiancee_hub.backends.choosing import NAMES, automatic, best
from fiancee_hub.backends.runners import CompiledRunner
from fiancee_hub.core.exits import EarlyExitModel
from fiancee_hub.core.files import sha256_of
from fiancee_hub.core.router import BUDGETS
from fiancee_hub.hub.checkpoints import CONFIG, WEIGHTS
from fiancee_hub.hub.config import read_config
from fiancee_hub.hub.saving import EVALUATION

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "backends.md"

GRAPHS = ("onnxruntime", "openvino")
DEEPEST = {"onnxruntime": 2}
"""Exit up to which a runtime is tried, where that is not all: to export a part takes seconds."""

TOLERANCE = 1
"""Grey levels that a channel of a pixel may lie off what eager makes."""


def loaded(folder: Path, backend: str, **options: Any) -> FianceePipeline:
    for package in choosing.PACKAGES.get(backend, {}):
        pytest.importorskip(package)
    return FianceePipeline.from_pretrained(folder, backend=backend, **options)


@pytest.fixture(scope="module")
def eager(tiny_checkpoint: Path) -> FianceePipeline:
    return loaded(tiny_checkpoint, "eager")


@pytest.fixture(scope="module", params=GRAPHS)
def pipe(request: pytest.FixtureRequest, tiny_checkpoint: Path) -> FianceePipeline:
    """One for each runtime and all tests: making its graphs takes seconds."""
    return loaded(tiny_checkpoint, request.param)


@pytest.fixture(scope="module")
def openvino(tiny_checkpoint: Path) -> FianceePipeline:
    return loaded(tiny_checkpoint, "openvino")


def levels_apart(first: Result, second: Result) -> int:
    pixels = (np.asarray(result.image, np.int16) for result in (first, second))
    return int(np.abs(np.subtract(*pixels)).max())


def test_every_picture_is_eagers(pipe: FianceePipeline, eager: FianceePipeline) -> None:
    label_map = tiny.random_map(3)
    ours, theirs = (each.prepare(label_map, seed=5) for each in (pipe, eager))
    for exit_index in range(1, DEEPEST.get(pipe.backend, eager.model.exits) + 1):
        found, expected = ours.result(exit_index), theirs.result(exit_index)
        assert levels_apart(found, expected) <= TOLERANCE
        assert (found.backend, expected.backend) == (pipe.backend, "eager")
        assert torch.allclose(ours.image(exit_index), theirs.image(exit_index), atol=1e-4)
    assert ours.predicted == theirs.predicted


@pytest.mark.parametrize("backend", GRAPHS)
@torch.inference_mode()
def test_faces_are_eagers(backend: str, tiny_face_checkpoint: Path) -> None:
    pipe, eager = loaded(tiny_face_checkpoint, backend), loaded(tiny_face_checkpoint, "eager")
    model = eager.model
    begun = model.start(*tiny_faces.inputs(2))
    for exit_index in range(1, DEEPEST.get(backend, model.exits + 1)):
        expected, _ = model.render(begun, exit_index)
        found, _ = pipe.model.render(begun, exit_index, runner=pipe.runner)
        assert torch.allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize("backend", GRAPHS)
def test_default_devices_change_nothing(
    backend: str, tiny_checkpoint: Path, eager: FianceePipeline
) -> None:
    pipe, label_map = loaded(tiny_checkpoint, backend), tiny.random_map(3)
    torch.set_default_device("meta")
    try:
        first, later = (pipe(label_map, exit=1) for _ in range(2))
    finally:
        torch.set_default_device(None)
    assert levels_apart(first, eager(label_map, exit=1)) <= TOLERANCE
    assert levels_apart(first, later) == 0


def test_the_same_exits_are_taken(pipe: FianceePipeline, eager: FianceePipeline) -> None:
    for seed in range(4):
        ours, theirs = (each.prepare(tiny.random_map(seed), seed=seed) for each in (pipe, eager))
        assert [ours.route(b) for b in BUDGETS] == [theirs.route(b) for b in BUDGETS]


def test_a_batch_is_its_single_pictures(pipe: FianceePipeline) -> None:
    maps = [tiny.random_map(seed) for seed in range(3)]
    together = pipe.generate_batch(maps, exit=2)  # type: ignore[attr-defined]
    for seed, (label_map, found) in enumerate(zip(maps, together, strict=True)):
        assert levels_apart(found, pipe(label_map, seed=seed, exit=2)) <= TOLERANCE
        assert found.backend == pipe.backend


def test_many_threads_at_once(openvino: FianceePipeline) -> None:
    found = {}

    def draw(seed: int) -> None:
        found[seed] = openvino(tiny.random_map(seed), seed=seed, exit=3)

    threads = [threading.Thread(target=draw, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for seed in range(6):
        assert levels_apart(found[seed], openvino(tiny.random_map(seed), seed=seed, exit=3)) == 0


def test_going_deeper_runs_no_stage_twice(
    openvino: FianceePipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipe, ran = openvino, list[str]()
    run = type(pipe.runner)._run  # type: ignore[union-attr]

    def watched(self: Any, name: str, *inputs: Any) -> Any:
        ran.append(name)
        return run(self, name, *inputs)

    monkeypatch.setattr(type(pipe.runner), "_run", watched)
    rendering = pipe.prepare(tiny.random_map(0))
    for exit_index in range(1, pipe.model.exits + 1):
        rendering.result(exit_index)
    assert len(ran) == len(set(ran))
    assert {"stage-1", "stage-6", "branch-1", "branch-3", "image"} <= set(ran)


def test_bfloat16_in_openvino(tiny_checkpoint: Path, eager: FianceePipeline) -> None:
    pytest.importorskip("openvino")
    if not choosing._has_bfloat16():
        with pytest.raises(InputError, match="this processor does not calculate in bfloat16"):
            loaded(tiny_checkpoint, "openvino", dtype=torch.bfloat16)
        return
    pipe = loaded(tiny_checkpoint, "openvino", dtype=torch.bfloat16)
    assert pipe.dtype == torch.bfloat16
    expected, found = (each.prepare(tiny.random_map(0)) for each in (eager, pipe))
    assert found.predicted == expected.predicted
    assert levels_apart(found.result(1), expected.result(1)) <= 16
    label_map = tiny.random_map(0)
    for given in (label_map, [label_map, label_map]):
        with pytest.raises(InputError, match="never tested in openvino and bfloat16: choose an ex"):
            pipe(given, budget=0.1)


def measured(checkpoint: Path, folder: Path, **entry: Any) -> Path:
    """A copy of a checkpoint with an evaluation in which its budgets from 0.1 on hold somewhere."""
    shutil.copytree(checkpoint, folder)
    calibration = read_config(folder / CONFIG).calibration
    assert calibration is not None
    rows = [
        {"budget": budget, "margin": calibration.rule(budget)[1], "holds": budget >= 0.1}
        for budget in calibration.budgets
    ]
    test = {"backend": "eager", "dtype": "bfloat16", "device": "cpu", "n": 171, "budgets": rows}
    figures = {"model_sha256": sha256_of(folder / WEIGHTS), "backends": [test | entry]}
    (folder / EVALUATION).write_text(json.dumps(figures))
    return folder


def test_eager_bfloat16_offers_no_untested_budget(tiny_checkpoint: Path) -> None:
    pipe = loaded(tiny_checkpoint, "eager", dtype=torch.bfloat16)
    label_map = tiny.random_map(0)
    for call in (
        lambda: pipe(label_map, budget=0.1),
        lambda: pipe([label_map], budget=0.1),
        lambda: pipe.compare(label_map),
        lambda: pipe.prepare(label_map).deliver(0.1),
    ):
        with pytest.raises(InputError, match=r"never tested in eager and bfloat16: choose an exit"):
            call()
    assert pipe(label_map, exit=1).exit == 1
    assert pipe.to(torch.float64)(label_map, budget=0.1).exit
    assert pipe.to(torch.float32)(label_map, budget=0.1).exit
    with pytest.raises(InputError, match="never tested in eager and float16"):
        pipe.to(torch.float16)(label_map, budget=0.1)


def test_budgets_that_were_tested_are_offered(tiny_checkpoint: Path, tmp_path: Path) -> None:
    folder = measured(tiny_checkpoint, tmp_path / "tested")
    pipe = loaded(folder, "eager", dtype=torch.bfloat16)
    label_map = tiny.random_map(0)
    exact = loaded(folder, "eager")
    for budget in (0.1, 0.102, 0.2, 0.9):
        assert pipe(label_map, budget=budget).exit == exact(label_map, budget=budget).exit
    several: Any = pipe([label_map] * 2, budget=[0.1, 0.2])
    assert len(several) == 2
    assert pipe.compare(label_map, budget=0.1).kept in (True, False)
    refused = (
        "what a budget of 0.05 promises does not hold in eager and bfloat16, tested on 171 inputs: "
        "take a budget of 0.1 or more, choose an exit with exit=, or load the checkpoint in float32"
    )
    cases: tuple[tuple[Any, Any], ...] = ((label_map, 0.05), ([label_map] * 2, [0.2, 0.05]))
    for given, asked in cases:
        with pytest.raises(InputError, match=refused):
            pipe(given, budget=asked)
    with pytest.raises(InputError, match=r"a budget of 0\.001 promises could not be told"):
        pipe(label_map, budget=0.001)
    with pytest.raises(InputError, match="never tested in eager and float16"):
        pipe.to(torch.float16)(label_map, budget=0.1)


def test_a_test_of_other_weights_is_none(tiny_checkpoint: Path, tmp_path: Path) -> None:
    folder = measured(tiny_checkpoint, tmp_path / "tested")
    shutil.copy(folder / WEIGHTS, folder / "model.other.safetensors")
    figures = json.loads((folder / EVALUATION).read_text())
    pipe = loaded(folder, "eager", dtype=torch.bfloat16, variant="other")
    with pytest.raises(InputError, match="never tested"):
        pipe(tiny.random_map(0), budget=0.1)
    (folder / EVALUATION).write_text(json.dumps(figures | {"model_sha256": "0" * 64}))
    with pytest.raises(InputError, match="never tested"):
        loaded(folder, "eager", dtype=torch.bfloat16)(tiny.random_map(0), budget=0.1)


def test_a_backend_that_failed_offers_no_budget(tiny_checkpoint: Path, tmp_path: Path) -> None:
    """In float32 what was not tested is offered, and what did not hold is not."""
    folder = measured(tiny_checkpoint, tmp_path / "tested", backend="compile", dtype="float32")
    pipe = loaded(folder, "compile")
    for budget in (0.1, 0.001):
        pipe.check_promise(budget)
    with pytest.raises(InputError, match=r"0\.05 promises does not hold in compile and float32.*"
                       r"or load the checkpoint with backend='eager'"):  # fmt: skip
        pipe(tiny.random_map(0), budget=0.05)
    loaded(folder, "eager").check_promise(0.05)


def test_compiled_parts_resume(model: EarlyExitModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """What they run is torch's to test: compiling takes minutes."""
    made = []

    def taken(call: Any) -> Any:
        made.append(call)
        return call

    monkeypatch.setattr(torch, "compile", taken)
    runner = CompiledRunner(model)
    progress = model.start(*tiny.inputs(1))
    again = progress
    for exit_index in range(1, model.exits + 1):
        expected, progress = model.render(progress, exit_index)
        found, again = model.render(again, exit_index, runner=runner)
        assert torch.equal(found, expected)
    assert len(made) == model.trunk.stages + model.exits


def test_a_compiler_that_fails(tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: Any) -> Any:
        raise RuntimeError("No working C++ compiler found.\nA long story")

    monkeypatch.setattr(torch, "compile", lambda call: failing)
    pipe = loaded(tiny_checkpoint, "compile")
    with pytest.raises(InputError, match=r"\(No working C\+\+ compiler found\): .*backend='eager'"):
        pipe(tiny.random_map(0), exit=1)


def test_a_backend_that_is_none(tiny_checkpoint: Path) -> None:
    with pytest.raises(
        InputError, match="no backend 'tensorrt': choose auto, eager, compile, onnx"
    ):
        loaded(tiny_checkpoint, "tensorrt")


@pytest.mark.parametrize(
    ("backend", "package", "extra"),
    [("openvino", "openvino", "openvino"), ("onnxruntime", "onnxruntime", "onnxruntime"),
     ("onnxruntime", "onnxscript", "export")],
)  # fmt: skip
def test_a_package_that_is_missing(
    backend: str, package: str, extra: str, tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingPackageError, match=rf'{package} .*"fiancee-hub\[{extra}\]"'):
        FianceePipeline.from_pretrained(tiny_checkpoint, backend=backend)


def test_a_type_or_device_that_a_backend_lacks(pipe: FianceePipeline) -> None:
    with pytest.raises(
        InputError, match=r"not in torch\.float64: take one of them, or backend='eag"
    ):
        pipe.to(torch.float64)
    assert pipe.dtype == torch.float32
    with pytest.raises(InputError, match="runs on the processor only"):
        choosing.check_place(pipe.backend, torch.device("cuda"), torch.float32)


@pytest.mark.parametrize("backend", GRAPHS)
def test_a_first_call_in_autocast(
    backend: str, tiny_checkpoint: Path, eager: FianceePipeline
) -> None:
    """Graphs stay float32, and those that are made later fit those that were made in it."""
    pipe, label_map = loaded(tiny_checkpoint, backend), tiny.random_map(0)
    with torch.autocast("cpu", torch.bfloat16):
        inside = pipe(label_map, exit=1)
    assert levels_apart(inside, eager(label_map, exit=1)) <= TOLERANCE
    assert levels_apart(pipe(label_map, exit=2), eager(label_map, exit=2)) <= TOLERANCE


def test_copies_and_pickles_keep_the_backend(
    openvino: FianceePipeline, eager: FianceePipeline
) -> None:
    """Graphs belong to the model that they were made from: only a shallow copy shares them."""
    assert copy.copy(openvino).runner is openvino.runner
    for made in (copy.deepcopy(openvino), pickle.loads(pickle.dumps(openvino))):
        assert made.backend == "openvino"
        assert made.runner is not openvino.runner
        assert vars(made.runner)["_model"] is made.model
    assert "openvino" in repr(openvino)
    assert "eager" not in repr(eager)


EAGER_TIMES = {"seconds": 0.0, "milliseconds": {"1": [10.0, 50.0], "2": [9.0, 30.0]}}


@pytest.mark.parametrize(
    ("seconds", "one", "two", "expected"),
    [
        (0.05, [9.0, 20.0], [8.0, 20.0], "openvino"),
        (0.05, [11.0, 20.0], [8.0, 20.0], "eager"),  # slower at one exit
        (0.05, [9.0, 20.0], [8.0, 31.0], "eager"),  # slower with two threads
        (5.0, [9.0, 20.0], [8.0, 20.0], "eager"),  # its preparation is not made up for
    ],
)
def test_the_table_decides(
    seconds: float, one: list[float], two: list[float], expected: str
) -> None:
    other = {"seconds": seconds, "milliseconds": {"1": one, "2": two}}
    assert best({"eager": EAGER_TIMES, "openvino": other}) == expected


def test_the_better_of_two() -> None:
    def other(full: float) -> dict[str, Any]:
        return {"seconds": 0.01, "milliseconds": {"1": [9.0, full], "2": [8.0, full - 20]}}

    figures = {"eager": EAGER_TIMES, "onnxruntime": other(45), "openvino": other(40)}
    assert best(figures) == "openvino"


def test_the_document_shows_the_table_that_auto_goes_by() -> None:
    text = DOCUMENT.read_text("utf-8")
    for family, figures in choosing.measured().items():
        _, _, shown = text.partition(f"<!-- figures:backends-{family} -->")
        for name, row in figures.items():
            for threads, exits in row["milliseconds"].items():
                line = next(
                    x for x in shown.splitlines() if x.startswith(f"| `{name}` | {threads} ")
                )
                assert all(f"{milliseconds:.1f} ms" in line for milliseconds in exits)
        block, _, _ = shown.partition(f"<!-- /figures:backends-{family} -->")
        assert f"`auto` is `{best(figures)}` here." in block


def test_auto_without_its_package(
    tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    faster = {"seconds": 0.01, "milliseconds": {"1": [9.0, 20.0], "2": [8.0, 20.0]}}
    table = {"label_maps": {"eager": EAGER_TIMES, "openvino": faster}}
    monkeypatch.setattr(choosing, "measured", lambda: table)
    place = torch.device("cpu"), torch.float32
    monkeypatch.setattr(choosing, "is_installed", lambda package: True)
    assert automatic("label_maps", *place) == "openvino"
    assert automatic("label_maps", torch.device("cuda"), torch.float32) == "eager"
    assert automatic("label_maps", torch.device("cpu"), torch.bfloat16) == "eager"
    monkeypatch.setattr(choosing, "is_installed", lambda package: False)
    with caplog.at_level(logging.INFO, logger="fiancee_hub"):
        pipe = FianceePipeline.from_pretrained(tiny_checkpoint)
    assert pipe.backend == "eager"
    (record,) = caplog.records
    assert 'pip install "fiancee-hub[openvino]"' in record.getMessage()


def test_errors_are_one_family() -> None:
    assert issubclass(MissingPackageError, FianceeError)
    assert set(choosing.PACKAGES) | set(choosing.DTYPES) <= set(NAMES)
    assert Result(Image.new("RGB", (1, 1)), 1, 0, 1, 0, 0, 0).backend == "eager"
