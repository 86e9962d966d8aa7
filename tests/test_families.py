"""Every family, one from outside the package included, from its folder to its card.

Build, a step of every phase, save, load, route, deepen, card: nothing on the way knows a family
by name, or the toy could not take it.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from family_cases import CASES, FamilyCase
from huggingface_hub import ModelCard

from fiancee_hub import FianceePipeline, domains
from fiancee_hub.cli.main import main
from fiancee_hub.core import family as registry
from fiancee_hub.core.family import family, of_data
from fiancee_hub.hub.checkpoints import build
from fiancee_hub.hub.config import read_config
from fiancee_hub.hub.info import describe
from fiancee_hub.rendering import Rendering
from fiancee_hub.training import phases
from fiancee_hub.training.task import Task, TrainingRequest

accelerate = pytest.importorskip("accelerate")

MOMENT = 1e-4
"""Minutes: one step."""


@pytest.fixture(scope="module", autouse=True)
def toy() -> Iterator[None]:
    """The toy family, known while these tests run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "_HOMES", dict(registry._HOMES))
        registry.register("toy", "toy.family")
        yield
    family.cache_clear()


@pytest.fixture(scope="module", params=CASES, ids=lambda case: case.name)
def case(request: pytest.FixtureRequest) -> FamilyCase:
    found: FamilyCase = request.param
    return found


@pytest.fixture(scope="module")
def data(case: FamilyCase, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp(case.name) / "data"
    case.write(folder)
    return folder


@pytest.fixture(scope="module")
def task(case: FamilyCase, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Task:
    """What the family trains on the folder, with a small recipe."""
    request = TrainingRequest(
        data,
        tmp_path_factory.mktemp("run"),
        accelerate.Accelerator(cpu=True),
        domains=domains.of_family(case.name),
    )
    found: Task = case.small(family(case.name).task(request))
    return found


@pytest.fixture(scope="module")
def trained(case: FamilyCase, task: Task, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint after a step of every phase."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("trained") / case.name
    run = phases.Run(folder, task, accelerate.Accelerator(cpu=True))
    threads = torch.get_num_threads()
    # Two threads on busy cores wait for each other at every operation.
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fiancee_hub.training.predictor.CHUNK", 4)
        patch.setattr(*case.calibrating)
        phases.train_backbone(run, MOMENT)
        phases.build_guides(run)
        phases.train_branches(run, MOMENT)
        phases.train_predictor(run, MOMENT, samples=8)
        phases.calibrate(run)
    torch.set_num_threads(threads)
    return run.checkpoint


@pytest.fixture(scope="module")
def pipe(trained: Path) -> Any:
    return FianceePipeline.from_pretrained(trained)


@pytest.fixture
def rendering(pipe: Any, case: FamilyCase) -> Rendering:
    found: Rendering = pipe.prepare(**case.arguments())
    return found


def test_a_folder_of_data_tells_its_family(case: FamilyCase, data: Path, tmp_path: Path) -> None:
    found = of_data(data)
    assert found is not None and found.name == case.name
    assert of_data(tmp_path) is None


def test_its_recipes_build(case: FamilyCase, task: Task) -> None:
    with torch.device("meta"):
        model = build(task.config())
    assert model.exits == len(task.recipe.exits) + 1
    for name in family(case.name).recipes():
        assert describe(name).family == case.name


def test_every_phase_leaves_its_part(case: FamilyCase, trained: Path) -> None:
    notes = json.loads((trained.parent / "training.json").read_text())
    assert {"backbone-half", "backbone", "branches", "predictor", "calibration"} <= notes.keys()
    config = read_config(trained / "config.json")
    assert config.family == case.name
    assert config.calibration is not None
    assert config.domain.title  # each of the three has a domain of its own


def test_it_loads_as_its_own_pipeline(case: FamilyCase, pipe: Any) -> None:
    assert type(pipe) is family(case.name).pipeline()


def test_the_router_takes_an_exit_within_the_budget(pipe: Any, case: FamilyCase) -> None:
    for budget in (0.0, 0.05, 1.0):
        result = pipe(**case.arguments(), budget=budget)
        assert 1 <= result.exit <= pipe.model.exits
        assert result.image.size == pipe.size[::-1]
    assert pipe(**case.arguments(), budget=0.0).exit == pipe.model.exits
    assert pipe.compare(**case.arguments(), budget=1.0).kept


def test_deeper_from_an_exit_is_the_same_as_straight_there(
    pipe: Any, case: FamilyCase, rendering: Rendering
) -> None:
    for exit_index in range(1, pipe.model.exits + 1):
        deepened = rendering.result(exit_index)
        straight = pipe(**case.arguments(), exit=exit_index)
        assert np.array_equal(np.asarray(deepened.image), np.asarray(straight.image))
        assert deepened.macs == straight.macs


def test_what_is_saved_comes_back(
    pipe: Any, case: FamilyCase, tmp_path: Path, rendering: Rendering
) -> None:
    pipe.save_pretrained(tmp_path)
    again = FianceePipeline.from_pretrained(tmp_path)
    assert again.config == pipe.config
    exits = pipe.model.exits
    assert torch.equal(again.prepare(**case.arguments()).image(exits), rendering.image(exits))


def test_its_card_leaves_nothing_open(pipe: Any, case: FamilyCase, tmp_path: Path) -> None:
    pipe.save_pretrained(tmp_path)
    card = ModelCard.load(tmp_path / "README.md").text
    parts = family(case.name).card()
    config = pipe.config
    for words in (parts.title, parts.call, parts.paper, config.domain.title.lower(), "## Limits"):
        assert words in card
    calibration = config.calibration
    assert f"{parts.inputs} like its {calibration.samples}" in card
    for left_open in ("{", "}", "None", "information needed"):
        assert left_open not in card.partition("```")[0] + card.rpartition("```")[2]


def test_the_page_has_a_tab_for_it(
    case: FamilyCase, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gradio = pytest.importorskip("gradio")
    from toy.screen import SCREEN

    from space import demo, screens
    from space.settings import Settings

    monkeypatch.setattr(torch, "set_num_threads", lambda count: None)
    monkeypatch.setattr(screens, "SCREENS", {**screens.SCREENS, "toy": SCREEN})
    settings = Settings.from_environment({"FIANCEE_CHECKPOINTS": f"mine={trained}"})
    loaded = demo.load(settings)
    page = demo.build(loaded, settings)
    assert [one.screen for one in loaded] == [screens.SCREENS[case.name]]
    tabs = [block for block in page.blocks.values() if isinstance(block, gradio.Tab)]
    assert "mine" in {tab.id for tab in tabs}
    ids = {block.elem_id for block in page.blocks.values()}
    assert "mine-missing" not in ids
    assert any(name and name.startswith("mine-") for name in ids)


@pytest.mark.parametrize("case", CASES[-1:], indirect=True, ids=["toy"])
def test_the_command_line_takes_it_all_the_way(
    case: FamilyCase, data: Path, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    colour, out = tmp_path / "colour.txt", tmp_path / "disc.png"
    colour.write_text("1 0.5 0")
    words = ["--checkpoint", str(trained), "--out", str(out)]
    for command in ("generate", "compare"):
        assert main([command, str(colour), *words]) == 0
        assert out.is_file()
        out.unlink()
    assert main(["info", str(trained)]) == 0
    run = str(tmp_path / "run")
    assert main(["train", "guides", "--data", str(data), "--run-folder", run, "--cpu"]) == 2
    assert "train the backbone first" in capsys.readouterr().err
    pytest.importorskip("matplotlib")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fiancee_hub.evaluation.evaluate.THREADS", 1)
        assert main(["evaluate", str(trained), "--data", str(data)]) == 0
    card = ModelCard.load(trained / "README.md").text
    assert "discs of the split `test`" in card
    figures = json.loads((trained / "evaluation.json").read_text())
    assert len(figures["exits"]) == len(read_config(trained / "config.json").exits)
    _test_in_bfloat16(trained, data, capsys)


def _test_in_bfloat16(trained: Path, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["evaluate", str(trained), "--data", str(data)]
    assert main([*words, "--backend", "eager", "--dtype", "bfloat16"]) == 0
    figures = json.loads((trained / "evaluation.json").read_text())
    (test,) = figures["backends"]
    assert (test["backend"], test["dtype"], test["device"]) == ("eager", "bfloat16", "cpu")
    assert test["n"] == figures["n"]
    assert 0 < test["lpips"][-1] < 0.1  # full depth in bfloat16 against full depth
    budgets = read_config(trained / "config.json").calibration
    assert budgets and [row["budget"] for row in test["budgets"]] == list(budgets.budgets)
    assert "| eager, bfloat16 | none |" in (trained / "README.md").read_text()  # of 8 inputs
    for wrong, reason in (
        (["--dtype", "bfloat16"], "name one"),
        (["--backend", "eager"], "calibrated in eager float32"),
        (["--backend", "auto"], "is one of the others"),
        (["--backend", "none"], "no backend 'none'"),
        (["--backend", "eager", "--dtype", "bfloat16", "--device", "gpu"], "is no device"),
    ):
        capsys.readouterr()
        assert main([*words, *wrong]) == 2
        assert reason in capsys.readouterr().err
    (trained / "evaluation.json").unlink()
    assert main([*words, "--backend", "eager", "--dtype", "bfloat16"]) == 2
    assert "run `evaluate` without --backend first" in capsys.readouterr().err
