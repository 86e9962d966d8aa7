"""Masks that erase what no warp can show, and losses that look there."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_faces
import torch
from face_data import write_faces
from torch import Tensor
from workers_run import CONFIG

from fiancee_hub.core.cost import count
from fiancee_hub.core.errors import DataError, InputError
from fiancee_hub.core.exits import EarlyExitModel, ExitConfig, GuideConfig
from fiancee_hub.core.ladder import check_ladder, parse_ladder
from fiancee_hub.core.recipe import Recipe
from fiancee_hub.families.faces.crops import PARTS, box
from fiancee_hub.families.faces.generator import PortraitGenerator
from fiancee_hub.families.faces.heads import at_side, plain_warp
from fiancee_hub.families.faces.order import task_of
from fiancee_hub.families.faces.shapes import FACES
from fiancee_hub.families.faces.training.backbone import (
    PortraitBackbonePhase,
    PortraitSettings,
    mask_loss,
)
from fiancee_hub.families.faces.training.pairs import FaceFolder, PairSource
from fiancee_hub.families.faces.training.task import FacesTask
from fiancee_hub.families.faces.training.windows import WindowExample, draw_windows, warp_error
from fiancee_hub.families.faces.visibility import unshown
from fiancee_hub.families.faces.warps import sample
from fiancee_hub.families.faces.windows import Windows
from fiancee_hub.hub.checkpoints import build
from fiancee_hub.hub.config import parse_config, to_json, untrained
from fiancee_hub.hub.info import in_order
from fiancee_hub.training.adversarial import Example
from fiancee_hub.training.branch_settings import BranchSettings
from fiancee_hub.training.branches import BranchPhase
from fiancee_hub.training.loop import OVERALL
from fiancee_hub.training.task import TrainingRequest

accelerate = pytest.importorskip("accelerate")

ERASING = replace(tiny_faces.GENERATOR, mask_channels=8)
PAINTING = replace(CONFIG, mask_channels=8)


@pytest.fixture
def model() -> EarlyExitModel:
    torch.manual_seed(0)
    recipe = Recipe(ERASING, tiny_faces.EXITS, tiny_faces.GUIDES)
    return build(untrained("faces", recipe)).eval().requires_grad_(False)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> FaceFolder:
    return write_faces(tmp_path_factory.mktemp("data") / "faces", {"train": 3})


def keeping(model: EarlyExitModel, logit: float) -> None:
    """Masks that keep the same share everywhere."""
    masks = model.trunk_as(PortraitGenerator).masks
    assert masks is not None
    for output in masks.outputs:
        bias: Any = output.bias
        bias.fill_(logit)


def test_without_masks_the_network_is_the_old_one() -> None:
    torch.manual_seed(0)
    plain = PortraitGenerator(tiny_faces.GENERATOR)
    names = plain.state_dict().keys()
    assert not [name for name in names if "mask" in name]
    assert PortraitGenerator(ERASING).state_dict().keys() - names == {
        f"masks.{part}.{kind}"
        for part in ("look", *(f"convs.{i}" for i in range(2)), *(f"outputs.{i}" for i in range(4)))
        for kind in ("weight", "bias")
    }
    condition = plain.condition(*tiny_faces.inputs(1))
    assert condition.kept == ()
    assert plain.predictor_inputs(condition)[0].shape[1] == plain.predictor_shape()[0]


def test_masks_have_the_sizes_of_the_stages(model: EarlyExitModel) -> None:
    trunk = model.trunk_as(PortraitGenerator)
    condition = trunk.condition(*tiny_faces.inputs(2))
    assert [tuple(mask.shape) for mask in condition.kept] == [
        (2, 1, side, side) for side in (8, 16, 32, 64)
    ]
    assert all(float(mask.min()) > 0.98 for mask in condition.kept)
    assert trunk.predictor_inputs(condition)[0].shape[1] == trunk.predictor_shape()[0]


@pytest.mark.parametrize("exit_index", range(1, 5))
def test_what_is_erased_leaves_no_trace(model: EarlyExitModel, exit_index: int) -> None:
    picture, source, target = tiny_faces.inputs(1)
    trunk = model.trunk_as(PortraitGenerator)
    read = trunk.encode(picture, source)
    other = read._replace(
        picture=read.picture.flip(-1), features=tuple(f.flip(-1) for f in read.features)
    )

    def images() -> list[Tensor]:
        # Another flow and other masks would not come from the features, but from the picture.
        return [model(a, source, target, exit_index=exit_index) for a in (read, other)]

    first, second = images()
    assert not torch.equal(first, second)
    keeping(model, -200)
    first, second = images()
    assert torch.equal(first, second)


def test_kept_whole_the_picture_is_the_plain_warp(model: EarlyExitModel) -> None:
    keeping(model, 200)
    inputs = tiny_faces.inputs(2)
    found = model(*inputs, exit_index=model.exits)
    expected = PortraitGenerator(tiny_faces.GENERATOR)(*inputs)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def test_half_erased_the_picture_is_half_as_strong(model: EarlyExitModel) -> None:
    inputs = tiny_faces.inputs(1)
    keeping(model, 200)
    whole = model(*inputs, exit_index=model.exits)
    keeping(model, 0)
    torch.testing.assert_close(model(*inputs, exit_index=model.exits), whole / 2)


def test_masks_cost_what_their_layers_say_for_every_exit(model: EarlyExitModel) -> None:
    plain = count(build(untrained("faces", Recipe(tiny_faces.GENERATOR, *recipe_parts()))))
    erasing = count(model)
    width, side, sizes = 8, 8, 4
    look = (4 * 17 + 16 * 10) * width
    masks = side**2 * (look + 2 * 9 * width**2 + width * sum(4**size for size in range(sizes)))
    for before, after in zip(plain.exits, erasing.exits, strict=True):
        assert after - before == masks
    assert erasing.encoder == plain.encoder


def recipe_parts() -> tuple[Any, Any]:
    return tiny_faces.EXITS, tiny_faces.GUIDES


def test_half_the_size_lacks_the_last_mask() -> None:
    whole, half = (PortraitGenerator(config).state_dict() for config in (ERASING, half_size()))
    missing = {name for name in whole.keys() - half.keys() if name.startswith("masks.")}
    assert missing == {"masks.outputs.3.weight", "masks.outputs.3.bias"}
    shared = [name for name in half if name.startswith("masks.")]
    assert all(half[name].shape == whole[name].shape for name in shared)
    picture, source, target = tiny_faces.inputs(1)
    small = torch.nn.functional.avg_pool2d(picture, 2)
    assert PortraitGenerator(half_size())(small, source, target).shape == (1, 3, 32, 32)


def half_size() -> Any:
    return ERASING.half_size()


def test_masks_are_told_what_no_warp_can_show() -> None:
    _, source, target = tiny_faces.inputs(2)
    wanted = 1 - unshown(source, target)
    right = [40 * at_side(wanted, side) - 20 for side in (32, 64)]
    wrong = [-logit for logit in right]
    flat = [torch.full_like(logit, 4.0) for logit in right]
    assert mask_loss(right, source, target) < mask_loss(flat, source, target)
    assert mask_loss(flat, source, target) < mask_loss(wrong, source, target)


def phase_of(data: FaceFolder, **changes: Any) -> PortraitBackbonePhase:
    torch.manual_seed(0)
    chosen: dict[str, Any] = {"batch_size": 2, "crossed": 0.0} | changes
    settings = PortraitSettings(**chosen)
    phase = PortraitBackbonePhase(PAINTING, data, accelerate.Accelerator(cpu=True), settings)
    phase.grown = True
    return phase


def generator_of(phase: PortraitBackbonePhase) -> PortraitGenerator:
    generator: PortraitGenerator = phase.generator
    return generator


def test_masks_learn_from_landmarks_then_are_free(data: FaceFolder) -> None:
    phase = phase_of(data)
    example = phase._batch()
    generator = generator_of(phase)

    def loss() -> float:
        with torch.no_grad():
            return float(mask_loss(generator.mask_logits(*example.inputs), *example.inputs[1:]))

    before = loss()
    phase._batch = lambda: example  # type: ignore[method-assign]
    for _ in range(4):
        assert "masks" in phase.step(0.1)
    assert loss() < before
    assert "masks" not in phase.step(0.5)
    assert "masks" not in phase_of(data, masks_until=0.0).step(0.0)


def test_the_supervision_moves_the_masks_alone(data: FaceFolder) -> None:
    phase = phase_of(data, masks=1e6)
    example, generator = phase._batch(), generator_of(phase)
    for parameter in generator.parameters():
        parameter.grad = None
    phase._before_update(example, 0.1)
    moved = {name for name, p in generator.named_parameters() if p.grad is not None}
    assert moved == {name for name, _ in generator.named_parameters() if name.startswith("masks.")}


def test_the_flow_stands_still_while_it_is_frozen(data: FaceFolder) -> None:
    phase = phase_of(data, warp_frozen=0.5)
    motion = generator_of(phase).motion
    start = [parameter.clone() for parameter in motion.parameters()]
    phase.step(0.4)
    assert all(torch.equal(a, b) for a, b in zip(start, motion.parameters(), strict=True))
    phase.step(0.6)
    assert not all(torch.equal(a, b) for a, b in zip(start, motion.parameters(), strict=True))


def test_the_l1_looks_where_the_plain_warp_is_wrong(data: FaceFolder) -> None:
    plain, looking = phase_of(data, residual=0.0), phase_of(data, residual=5.0)
    example = plain._batch()
    weights = warp_error(example.inputs, example.truth)
    torch.testing.assert_close(weights.mean((1, 2, 3)), torch.ones(2))
    error = (plain_warp(*example.inputs) - example.truth).abs().mean(1, keepdim=True)
    assert (weights * error).mean() > 1.5 * error.mean()
    right = plain_warp(*example.inputs)
    for phase, times in ((plain, 1.0), (looking, 1.5)):
        at_warp = phase._distances(right, example)[0]["l1"]
        assert at_warp > times * float(plain._distances(right, example)[0]["l1"]) - 1e-6


def test_crops_are_a_loss_of_their_own(data: FaceFolder) -> None:
    phase = phase_of(data, crops=3.0)
    example = phase._batch()
    losses, weights = phase._distances(example.truth, example)
    assert float(losses["crops"]) == pytest.approx(0, abs=1e-5)
    assert weights["crops"] == 3
    # Away from mouth and eyes nothing counts.
    changed = example.truth.clone()
    changed[..., :24, :] = 1
    assert float(phase._crop_distance(changed, example)) < 1e-5
    blurred = torch.nn.functional.avg_pool2d(example.truth, 9, 1, 4)
    assert float(phase._crop_distance(blurred, example)) > 0.01
    assert "crops" not in phase_of(data, crops=0.0)._distances(blurred, example)[0]


def test_discriminators_of_crops_learn_and_pull(data: FaceFolder) -> None:
    phase = phase_of(data)
    assert phase.crop_judge is not None
    example = phase._batch()
    judge = phase.crop_judge
    real = judge.cut(example.truth, example.inputs[2].points)
    fake = [torch.zeros_like(images) for images in real]
    first = float(judge.learn(real, fake)["crop judge"])
    judge.set_rate(2e-3)
    for _ in range(10):
        last = float(judge.learn(real, fake)["crop judge"])
    assert last < first
    assert judge.pull(real) < judge.pull(fake)
    losses = phase.step(0.9)
    assert {"crop judge", "adversarial"} <= losses.keys()


def test_the_pull_of_crops_is_where_they_are(data: FaceFolder) -> None:
    def pulled(weight: float) -> Tensor:
        phase = phase_of(data, crop_adversarial=weight, feature_matching=0.0)
        leaf = example.truth.clone().requires_grad_()
        return phase._realistic(leaf, example)[1]

    example: Example = phase_of(data)._batch()
    added = (pulled(1000.0) - pulled(1e-9)).abs().sum(1)
    inside = torch.nn.functional.max_pool2d(example.inputs[2].map[:, 1:2].float(), 2)
    face = at_side(inside, 256)[:, 0] > 0
    assert added[face].mean() > 20 * added[..., :24, :].mean()


def test_states_with_and_without_crops_are_restored(data: FaceFolder) -> None:
    with_crops, without = phase_of(data), phase_of(data, crop_adversarial=0.0)
    assert without.crop_judge is None
    state = with_crops.state()
    assert {"crop_judge", "crop_optimizer"} <= state.keys()
    with_crops.restore(without.state())
    without.restore(state)


def test_some_pairs_are_drawn_by_the_opening_of_the_mouth(tmp_path: Path) -> None:
    data = write_faces(tmp_path / "data", {"train": 2}, frames=8)
    changes = []
    for share in (0.0, 1.0):
        source = PairSource(data, "train", openings=share)
        source.make = lambda a, b, *_, **__: (a.index, b.index)  # type: ignore
        hand = np.random.default_rng(0)
        made: list[Any] = [source.random_self(hand, stills=False) for _ in range(200)]
        gaps = PairSource(data, "train", openings=1)._openness
        assert all(a != b for a, b in made)
        changes.append(np.mean([abs(gaps[a] - gaps[b]) for a, b in made]))
    assert changes[1] > 1.1 * changes[0]


def test_without_openings_pairs_are_drawn_as_before(data: FaceFolder) -> None:
    first = PairSource(data, "train").pairs(2, torch.Generator().manual_seed(0), 64)
    again = PairSource(data, "train", openings=0.0).pairs(2, torch.Generator().manual_seed(0), 64)
    assert torch.equal(first["truth"], again["truth"])


# The exit that paints nothing

LADDER = (ExitConfig(0, 1), *tiny_faces.EXITS)


@pytest.fixture
def laddered() -> EarlyExitModel:
    torch.manual_seed(0)
    return build(untrained("faces", Recipe(ERASING, LADDER, tiny_faces.GUIDES))).eval()


def test_the_warp_alone_is_an_exit(laddered: EarlyExitModel) -> None:
    laddered.requires_grad_(False)
    trunk, inputs = laddered.trunk_as(PortraitGenerator), tiny_faces.inputs(2)
    keeping(laddered, -200)  # what is erased for the others is shown
    progress = laddered.start(*inputs)
    image, after = laddered.render(progress, 1)
    assert after.features == () and after.guide is None
    condition = trunk.condition(*inputs)
    expected = sample(condition.appearance.picture, condition.flow)
    torch.testing.assert_close(image, expected)
    deeper, _ = laddered.render(after, 3)
    assert torch.equal(deeper, laddered(*inputs, exit_index=3))


def test_the_warp_alone_costs_the_flow_and_the_masks() -> None:
    with torch.device("meta"):
        costs = count(build(untrained("faces", FACES)))
    config: Any = FACES.generator
    motion = 32**2 * (4 * 28 * 9 * 64 + 2 * 9 * 64 * 64 + 64 * 9 * 16)
    assert costs.exits[0] > motion
    assert costs.exits[0] / costs.full_depth < 0.05
    assert config.first_exit == 0
    assert list(costs.exits) == sorted(costs.exits)


def test_a_ladder_may_begin_before_the_first_stage() -> None:
    config = untrained("faces", Recipe(ERASING, (), tiny_faces.GUIDES))
    assert in_order(config, parse_ladder("1:2,0:1")) == (ExitConfig(0, 1), ExitConfig(1, 2))
    raw = json.loads(to_json(untrained("faces", Recipe(ERASING, LADDER, tiny_faces.GUIDES))))
    assert parse_config(raw, Path("config.json")).exits == LADDER
    with pytest.raises(InputError, match="after stage 1 to"):
        check_ladder((ExitConfig(0, 1),), 5)


def test_branches_learn_beside_an_exit_that_has_nothing_to_learn(data: FaceFolder) -> None:
    def phase(*exits: ExitConfig) -> BranchPhase:
        recipe = Recipe(PAINTING, exits, GuideConfig(2, (12, 8, 8)))
        model = build(untrained("faces", recipe))
        task = FacesTask(data, recipe)
        settings = BranchSettings(batch_size=1, adversarial_branches=0)
        return BranchPhase(model, None, task, accelerate.Accelerator(cpu=True), settings)

    learning = phase(ExitConfig(0, 1), ExitConfig(1, 2))
    assert {"exit 1", "exit 2", "adversarial"} <= learning.step(0.5).keys()
    with pytest.raises(DataError, match="anything to learn"):
        phase(ExitConfig(0, 1))


def test_branches_see_windows(data: FaceFolder) -> None:
    recipe = Recipe(PAINTING, (ExitConfig(0, 1), ExitConfig(1, 2)), GuideConfig(2, (12, 8, 8)))
    task, settings = FacesTask(data, recipe), BranchSettings(batch_size=2, windowed=1.0)
    model = build(task.config())
    phase = BranchPhase(model, None, task, accelerate.Accelerator(cpu=True), settings)
    inputs = phase.source.draw(2, torch.Generator().manual_seed(0))
    scene = phase._scene(inputs)
    assert scene.target.shape == (4, 3, 96, 96) and scene.labels.shape == (4, 96, 96)
    whole = phase._full_depth(inputs)[1]
    found = [
        any(
            torch.equal(part, crop)
            for crop in whole.unfold(2, 96, 8)
            .unfold(3, 96, 8)
            .permute(0, 2, 3, 1, 4, 5)
            .reshape(-1, 3, 96, 96)
        )
        for part in scene.target
    ]
    assert all(found), "they are parts of full depth's pictures"
    made = [scene.shown(picture) for picture in phase.branches(scene.state, scene.guide, [0, 1])]
    assert {picture.shape for picture in made} == {scene.target.shape}
    assert {"exit 1", "exit 2"} <= phase.step(0.5).keys()


def test_a_family_without_windows_says_so(
    data: FaceFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = Recipe(PAINTING, (ExitConfig(1, 2),), GuideConfig())
    task, settings = FacesTask(data, recipe), BranchSettings(batch_size=1, windowed=1.0)
    monkeypatch.setattr(FacesTask, "focus", lambda *_: None)
    accelerator = accelerate.Accelerator(cpu=True)
    phase = BranchPhase(build(task.config()), None, task, accelerator, settings)
    with pytest.raises(DataError, match="seen whole only"):
        phase.step(0.5)


def test_windows_show_what_the_whole_picture_shows(model: EarlyExitModel) -> None:
    trunk = model.trunk_as(PortraitGenerator)
    for name, parameter in trunk.named_parameters():
        if "to_rgb" in name or "motion.output" in name or "outputs" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    picture, source, target = tiny_faces.inputs(2)
    windows = Windows(torch.tensor([0, 1, 1]), torch.tensor([0, 2, 1]), torch.tensor([1, 0, 2]), 6)
    condition = trunk.condition(picture, source, target)
    inside = trunk.painted(condition, windows)
    whole = windows.cut(trunk(picture, source, target), 8)
    assert inside.shape == whole.shape == (3, 3, 48, 48)
    middle = slice(20, -20)  # what a window's border hides reaches a few pixels in
    torch.testing.assert_close(
        inside[..., middle, middle], whole[..., middle, middle], atol=1e-4, rtol=0
    )
    assert not torch.allclose(inside[0], whole[1], atol=0.1)


def test_windows_lie_on_parts_of_the_face_and_where_the_warp_is_wrong() -> None:
    _, _, target = tiny_faces.inputs(2)
    points = target.points.repeat(50, 1, 1)
    wrong = torch.zeros(100, 1, 256, 256)
    wrong[..., 200:, :30] = 1
    windows = draw_windows(wrong, points, 32, torch.Generator().manual_seed(0))
    assert windows.side == 14 and windows.owner.tolist() == list(range(100)) * 2
    corners = torch.stack([windows.column, windows.row], 1)
    assert corners.min() >= 0 and corners.max() <= 32 - 14
    middles = (corners[:100] + 7) / 16 - 1
    parts = torch.stack([box(points, part)[0] for part in PARTS], 1)
    nearest = (parts - middles[:, None]).norm(dim=2).min(1)
    reachable = parts.abs().amax((1, 2)) < 1 - 14 / 32
    assert (nearest.values[reachable] < 0.1).all()
    assert set(nearest.indices.tolist()) == {0, 1, 2}
    assert (windows.column[100:] < 4).all() and (windows.row[100:] >= 12).all()


def test_steps_in_windows_leave_the_reading_of_the_source_alone(data: FaceFolder) -> None:
    phase = phase_of(data, warp_frozen=0.5, windowed=0.5)
    generator = generator_of(phase)

    def moved(progress: float) -> tuple[set[str], set[str]]:
        start = {name: p.detach().clone() for name, p in generator.named_parameters()}
        losses = phase.step(progress)
        changed = {
            name.split(".")[0]
            for name, parameter in generator.named_parameters()
            if not torch.equal(start[name], parameter)
        }
        return changed, set(losses)

    phase.steps = 1  # every second step
    changed, losses = moved(0.1)
    assert {"window lpips", "window l1"} <= losses and "lpips" not in losses
    assert {"masks", "to_rgb"} <= changed and not {"encoder", "motion"} & changed
    changed, losses = moved(0.1)
    assert "window lpips" not in losses and "encoder" in changed
    changed, losses = moved(0.6)
    assert "window lpips" not in losses, "the flow is free"


def test_windows_are_judged_like_pictures(data: FaceFolder) -> None:
    phase = phase_of(data, warp_frozen=1.0, windowed=1.0, judged_from=0.0, pulls_from=0.0)
    assert {"real", "fake", "adversarial", "window l1"} <= set(phase.step(0.5))


def test_the_truth_has_no_loss_in_windows(data: FaceFolder) -> None:
    phase = phase_of(data, warp_frozen=1.0, windowed=1.0)
    phase.windowed = True
    example = phase._batch()
    assert isinstance(example, WindowExample) and example.truth.shape == (4, 3, 96, 96)
    losses, weights = phase._window_distances(example.truth, example)
    assert all(float(loss) == pytest.approx(0, abs=1e-5) for loss in losses.values())
    worse, _ = phase._window_distances(example.truth.flip(2), example)
    assert all(float(worse[name]) > 0.01 for name in weights)


class Warping(torch.nn.Module):
    """The plain warp, darkened."""

    def __init__(self, light: float) -> None:
        super().__init__()
        self.light = light

    def forward(self, *inputs: Any) -> Tensor:
        return self.light * plain_warp(*inputs)


def test_the_judge_holds_painting_against_the_plain_warp(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    root = tmp_path_factory.mktemp("judged") / "faces"
    data = write_faces(root, {"train": 1, "val": 2})
    task = task_of(TrainingRequest(data.root, root, accelerate.Accelerator(cpu=True)))
    warp, dark = (task.judge(Warping(light), torch.device("cpu"))() for light in (1.0, 0.5))
    assert warp.keys() == dark.keys() >= {OVERALL, "whole"}
    assert all(ratio == pytest.approx(1) for ratio in warp.values())
    assert all(ratio > 1.1 for ratio in dark.values())
