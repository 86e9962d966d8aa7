"""Exported graphs make the pictures that the library makes, and resume as it does."""

import dataclasses
import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import tiny_faces
import torch
from tiny import CLASSES, REGIONS, SIZE, random_model
from torch import Tensor

from fiancee_hub import CheckpointError, FianceePipeline, InputError, MissingPackageError
from fiancee_hub.backends.export import MANIFEST, as_onnx, export
from fiancee_hub.backends.graphs import GraphModel
from fiancee_hub.backends.parts import leaves, parts
from fiancee_hub.backends.sessions import SESSIONS, session
from fiancee_hub.cli.main import main
from fiancee_hub.core.exits import EarlyExitModel
from fiancee_hub.core.family import family
from fiancee_hub.hub.checkpoints import WEIGHTS

pytest.importorskip("onnxscript")

GREY_LEVEL = 2 / 255


@pytest.fixture(scope="module")
def loaded(pipeline: FianceePipeline) -> EarlyExitModel:
    """As the checkpoint holds it: its graphs are those of other tests too."""
    return pipeline.model


@pytest.fixture(scope="module")
def exported(loaded: EarlyExitModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("graphs")
    export(loaded, folder, {"family": "label_maps"}, precision="fp32")
    return folder


def inputs(seed: int, batch: int = 1) -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(seed)
    label_map = torch.randint(0, 6, (batch, *SIZE), generator=random)
    return label_map, torch.randn(batch, 8, generator=random)


@pytest.mark.parametrize("runtime", SESSIONS)
@pytest.mark.parametrize("batch", [1, 3])
@torch.inference_mode()
def test_every_exit_agrees(
    runtime: str, batch: int, loaded: EarlyExitModel, exported: Path
) -> None:
    pytest.importorskip(runtime)
    graphs = GraphModel(exported, runtime, threads=1)
    label_map, noise = inputs(batch, batch)
    begun, progress = loaded.start(label_map, noise), graphs.start(label_map.numpy(), noise.numpy())
    prediction, (mean, spread) = loaded.predict(begun), graphs.predict(progress)
    np.testing.assert_allclose(mean, prediction.mean, atol=1e-4)
    np.testing.assert_allclose(spread, prediction.spread, atol=1e-4)
    assert graphs.exits == loaded.exits
    for index in range(1, loaded.exits + 1):
        expected, begun = loaded.render(begun, index)
        image, progress = graphs.render(progress, index)
        assert np.abs(image - expected.numpy()).max() < GREY_LEVEL / 20


def test_going_deeper_runs_no_stage_twice(
    exported: Path, loaded: EarlyExitModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    graphs = GraphModel(exported, threads=1)
    ran: list[str] = []
    run = GraphModel._run

    def watched(self: GraphModel, name: str, tensors: dict[str, np.ndarray]) -> object:
        ran.append(name)
        return run(self, name, tensors)

    monkeypatch.setattr(GraphModel, "_run", watched)
    label_map, noise = inputs(0)
    progress = graphs.start(label_map.numpy(), noise.numpy())
    for index in range(1, graphs.exits + 1):
        _, progress = graphs.render(progress, index)
    assert len(ran) == len(set(ran))
    assert {"stage-1", "stage-6", "guides", "branch-1", "branch-3", "image"} <= set(ran)


@torch.inference_mode()
def test_half_weights_are_half_as_large_and_near(
    loaded: EarlyExitModel, exported: Path, tmp_path: Path
) -> None:
    label_map, noise = inputs(1)
    whole = json.loads((exported / MANIFEST).read_text())
    half = export(loaded, tmp_path, {}, precision="fp16")
    sizes = [sum(graph["bytes"] for graph in found["graphs"]) for found in (half, whole)]
    assert sizes[0] < 0.9 * sizes[1]
    graphs = GraphModel(tmp_path, threads=1)
    image, _ = graphs.render(graphs.start(label_map.numpy(), noise.numpy()), graphs.exits)
    expected = loaded(label_map, noise, exit_index=loaded.exits)
    assert np.abs(image - expected.numpy()).mean() < GREY_LEVEL


@torch.inference_mode()
def test_guides_by_region_are_looked_up_in_a_graph(tmp_path: Path) -> None:
    runtime = pytest.importorskip("onnxruntime")
    model = random_model(guides=REGIONS)
    part = next(part for part in parts(model) if part.name == "guides")
    label_map, noise = inputs(2)
    progress = model.look_up(model.start(label_map, noise))
    assert progress.guide is not None
    condition = dict(zip(part.inputs, leaves(progress.condition), strict=True))
    (tmp_path / "guides.onnx").write_bytes(as_onnx(part).SerializeToString())
    graph = runtime.InferenceSession(tmp_path / "guides.onnx")
    used = {entry.name: condition[entry.name].numpy() for entry in graph.get_inputs()}
    (found,) = graph.run(None, used)
    assert np.array_equal(found, progress.guide.values.numpy())


def test_manifest_names_every_file(exported: Path) -> None:
    manifest = json.loads((exported / MANIFEST).read_text())
    named = {graph["file"]: graph["bytes"] for graph in manifest["graphs"]}
    found = {path.name: path.stat().st_size for path in exported.glob("*.onnx")}
    assert named == found
    assert manifest["exits"][0] == {"stage": 1, "scale_factor": 2}
    assert manifest["checkpoint"] == {"family": "label_maps"}


def test_a_damaged_file_is_refused(exported: Path, tmp_path: Path) -> None:
    shutil.copytree(exported, tmp_path, dirs_exist_ok=True)
    path = tmp_path / "condition.onnx"
    path.write_bytes(path.read_bytes()[:-1])
    label_map, noise = inputs(0)
    with pytest.raises(CheckpointError, match=r"condition\.onnx is not the file"):
        GraphModel(tmp_path).start(label_map.numpy(), noise.numpy())
    path.unlink()
    with pytest.raises(CheckpointError, match=r"condition\.onnx is missing"):
        GraphModel(tmp_path).start(label_map.numpy(), noise.numpy())


@pytest.mark.parametrize("content", [None, "{", "[]", '{"format": 99}'])
def test_no_export(content: str | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / MANIFEST).write_text(content)
    with pytest.raises(CheckpointError, match=MANIFEST):
        GraphModel(tmp_path)


def test_a_runtime_that_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="choose onnxruntime, openvino"):
        session("tensorrt", tmp_path, 1)
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    with pytest.raises(MissingPackageError, match=r'pip install "fiancee-hub\[onnxruntime\]"'):
        session("onnxruntime", tmp_path, 1)


def test_the_command(
    tiny_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", str(tiny_checkpoint), "--out", str(tmp_path / "graphs")]) == 0
    manifest = json.loads((tmp_path / "graphs" / MANIFEST).read_text())
    assert len(capsys.readouterr().out.splitlines()) == len(manifest["graphs"]) + 1
    weights = (tiny_checkpoint / WEIGHTS).read_bytes()
    checkpoint = manifest["checkpoint"]
    assert checkpoint["model_sha256"] == hashlib.sha256(weights).hexdigest()
    assert [entry["name"] for entry in checkpoint["classes"]] == [c.name for c in CLASSES]


def test_faces_are_encoded_placed_and_predicted_in_graphs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("onnxruntime")
    model = tiny_faces.random_model()
    # The others are those that the backends run; each takes seconds to write.
    first = [part for part in parts(model) if part.name in ("encoder", "condition", "predictor")]
    monkeypatch.setattr("fiancee_hub.backends.export.parts", lambda model: first)
    export(model, tmp_path, {}, precision="fp32")
    graphs = GraphModel(tmp_path, threads=1)
    inputs = tiny_faces.inputs(3)
    begun = model.start(*inputs)
    known = {
        f"input-{i}": tensor.numpy()
        for i, tensor in enumerate(leaves(model.trunk.read_ahead(*inputs)))
    }
    read = {name: known.pop(name) for name in first[0].outputs}
    found = graphs.encode(known)
    for name, expected in read.items():
        np.testing.assert_allclose(found[name], expected, atol=1e-4, err_msg=name)
    given = known | found
    progress = graphs.start(*(given[f"input-{i}"] for i in range(len(given))))
    for i, tensor in enumerate(leaves(begun.condition)):
        name = f"condition-{i}"
        np.testing.assert_allclose(progress.tensors[name], tensor, atol=2e-3, err_msg=name)
    np.testing.assert_allclose(graphs.predict(progress)[0], model.predict(begun).mean, atol=1e-3)


def test_a_family_that_no_exporter_takes_is_refused(
    tiny_checkpoint: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    refused = dataclasses.replace(family("label_maps"), exportable=False)
    monkeypatch.setattr("fiancee_hub.hub.exporting.family", lambda name: refused)
    assert main(["export", str(tiny_checkpoint), "--out", str(tmp_path / "graphs")]) == 2
    assert "family 'label_maps', which no exporter takes yet" in capsys.readouterr().err
    assert not (tmp_path / "graphs").exists()
