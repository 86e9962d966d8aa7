"""The face generator: warps, motion, maps of regions, and reading a source once."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import tiny_faces
import torch
from face_data import JAW_OPEN, basis, motion, neutral
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from fiancee_hub.core.cost import count, macs
from fiancee_hub.core.exits import EarlyExitModel
from fiancee_hub.families.faces.config import PortraitConfig
from fiancee_hub.families.faces.generator import PortraitGenerator
from fiancee_hub.families.faces.heads import CONTROL_POINTS
from fiancee_hub.families.faces.landmarks.motion import Motion, crown_of, drive, head_of, motion_of
from fiancee_hub.families.faces.landmarks.outlines import (
    EYES,
    LIPS,
    OVAL,
    REGIONS,
    attention,
    draw_face_map,
)
from fiancee_hub.families.faces.landmarks.pose import (
    Floats,
    canonical_face,
    project,
    rotation_from_euler,
)
from fiancee_hub.families.faces.shapes import FACES
from fiancee_hub.families.faces.warps import (
    DEPTH,
    SMOOTHNESS,
    identity_grid,
    pixel_centres,
    rigid_volume_grid,
    sample,
    thin_plate_flow,
)

quick = settings(max_examples=25, deadline=None)
angles = st.floats(-40, 40, width=32)
shares = st.floats(0, 1, width=32)
degrees = st.tuples(angles, angles, angles)
places = st.tuples(st.floats(90, 166, width=32), st.floats(90, 166, width=32))
motions = st.builds(
    motion, degrees, jaw=shares, brows=shares, place=places, scale=st.floats(4, 10, width=32)
)


@pytest.fixture(autouse=True)
def _no_gradients() -> Iterator[None]:
    with torch.no_grad():
        yield


@pytest.fixture(scope="module")
def model() -> EarlyExitModel:
    return tiny_faces.random_model()


@pytest.fixture
def points() -> Tensor:
    """Control points (1, 40, 2)."""
    return torch.rand(1, 40, 2, generator=torch.Generator().manual_seed(0)) * 1.6 - 0.8


def normalised(points: Floats, size: int = 256) -> Floats:
    """Pixels to [-1, 1]."""
    half = size / 2
    return np.asarray((points - np.array([half, half, 0])) / half, np.float32)


def test_the_spline_is_the_one_of_scipy(points: Tensor) -> None:
    interpolate = pytest.importorskip("scipy.interpolate")
    source = points + 0.2 * torch.sin(3 * points.flip(-1))
    grid = identity_grid(12, 16, points)
    flow = thin_plate_flow(source, points, pixel_centres(16, points), pixel_centres(12, points))[0]
    # Ours has r² log r², twice as much as theirs.
    reference = interpolate.RBFInterpolator(
        points[0].double(), (source - points)[0].double(), smoothing=SMOOTHNESS / 2
    )
    wanted = torch.from_numpy(reference(grid.reshape(-1, 2).double())).float()
    torch.testing.assert_close(flow.flatten(1).mT, wanted, atol=1e-4, rtol=0)


def test_the_spline_meets_its_control_points(points: Tensor) -> None:
    source = points + 0.1 * torch.sin(2 * points.flip(-1))
    flow = thin_plate_flow(source, points, *points[0].unbind(1))
    assert (source - points).norm(dim=-1).mean() > 0.05
    met = flow[0].diagonal(dim1=1, dim2=2).mT
    torch.testing.assert_close(met, (source - points)[0], atol=3e-3, rtol=0)


def test_the_spline_knows_affine_maps(points: Tensor) -> None:
    turn, shift = torch.tensor([[0.9, 0.3], [-0.2, 1.1]]), torch.tensor([0.1, -0.05])
    grid, centres = identity_grid(9, 9, points), pixel_centres(9, points)
    flow = thin_plate_flow(points @ turn + shift, points, centres, centres)[0]
    torch.testing.assert_close(flow.permute(1, 2, 0), grid @ turn + shift - grid, atol=1e-4, rtol=0)


def test_points_that_stay_move_nothing(points: Tensor) -> None:
    centres = pixel_centres(9, points)
    assert thin_plate_flow(points, points, centres, centres).abs().max() == 0


def test_points_in_one_place_do_not_fold_the_plane(points: Tensor) -> None:
    source = torch.cat([points, points[:, :1] + 0.02], 1)
    twice = torch.cat([points, points[:, :1]], 1)
    flow = thin_plate_flow(source, twice, *points[0].unbind(1))
    assert flow.abs().max() < 0.02


def test_sampling_along_a_flow_of_one_pixel() -> None:
    features = torch.rand(1, 3, 8, 8)
    flow = torch.zeros(1, 2, 4, 4)
    torch.testing.assert_close(sample(features, flow), features, atol=1e-6, rtol=0)
    flow[:, 0] = 2 / 8  # from the right neighbour
    moved = sample(features, flow)
    torch.testing.assert_close(moved[..., :7], features[..., 1:], atol=1e-5, rtol=0)
    torch.testing.assert_close(moved[..., 7], features[..., 7], atol=1e-5, rtol=0)
    flow = torch.zeros(1, 2, 4, 4)
    flow[:, 1] = 2 / 8  # from below
    torch.testing.assert_close(sample(features, flow)[:, :, :7], features[:, :, 1:])


def pose_of(head: Motion) -> Tensor:
    return tiny_faces.head(head).pose


@quick
@given(motions)
def test_equal_poses_leave_the_volume_where_it_is(head: Motion) -> None:
    depth, height, width = 4, 6, 8
    grid = rigid_volume_grid(pose_of(head), pose_of(head), (depth, height, width))[0]
    plane = identity_grid(height, width, grid).expand(depth, -1, -1, -1)
    torch.testing.assert_close(grid[..., :2], plane, atol=1e-5, rtol=0)
    cells = (torch.arange(depth) + 0.5) * 2 / depth - 1
    torch.testing.assert_close(
        grid[..., 2], cells.view(-1, 1, 1).expand(grid.shape[:3]), atol=1e-5, rtol=0
    )


@quick
@given(motions, motions)
def test_a_volume_turns_as_its_points_are_projected(source: Motion, target: Motion) -> None:
    shape = (8, 16, 16)
    grid = rigid_volume_grid(pose_of(source), pose_of(target), shape)
    points = neutral()[::20]
    there, here = _in_volume(points, target), _in_volume(points, source)
    # Between the cells' centres the grid is linear, so sampling it there is exact.
    inside = torch.tensor((np.abs(there) < [1 - 1 / 16, 1 - 1 / 16, 1 - 1 / 8]).all(1))
    asked = torch.from_numpy(there)[None, None, None]
    found = F.grid_sample(grid.permute(0, 4, 1, 2, 3), asked, align_corners=False)
    found = found[0, :, 0, 0].T[inside]
    torch.testing.assert_close(found, torch.from_numpy(here)[inside], atol=2e-4, rtol=0)


def _in_volume(points: Floats, head: Motion) -> Floats:
    """Where ``project`` puts canonical points; depth from the head's middle, away is positive."""
    seen = normalised(project(points, head.pose))
    middle = normalised(project(np.zeros((1, 3), np.float32), head.pose))
    seen[:, 2] = (seen[:, 2] - middle[:, 2]) / (DEPTH * head.pose.scale / 128)
    return seen


def test_a_turn_to_the_right_moves_the_nose_to_the_right() -> None:
    tip = neutral()[[4]]
    front, turned = motion(), motion((30, 0, 0))
    moved = project(tip, turned.pose) - project(tip, front.pose)
    sideways = 8.5 * (tip[0, 2] * np.sin(np.radians(30)) + tip[0, 0] * (np.cos(np.radians(30)) - 1))
    assert moved[0, 0] == pytest.approx(sideways, abs=1e-3)
    assert moved[0, 0] > 10


def test_motion_of_projected_landmarks_is_found_again() -> None:
    known = motion((12, -7, 4), width=1, place=(120, 133), scale=7)
    found = motion_of(project(known.canonical, known.pose), known.expression)
    np.testing.assert_allclose(found.pose.rotation, known.pose.rotation, atol=1e-4)
    np.testing.assert_allclose(found.pose.translation, known.pose.translation, atol=1e-2)
    assert found.pose.scale == pytest.approx(7, rel=1e-4)
    np.testing.assert_allclose(found.canonical, known.canonical, atol=1e-3)


@quick
@given(motions, motions)
def test_absolute_driving_takes_rotation_and_keeps_place_and_size(
    source: Motion, driver: Motion
) -> None:
    target = drive(source, driver, basis())
    np.testing.assert_array_equal(target.pose.rotation, driver.pose.rotation)
    np.testing.assert_array_equal(target.pose.translation, source.pose.translation)
    assert target.pose.scale == source.pose.scale
    np.testing.assert_array_equal(target.expression, driver.expression)
    # Both have the same shape, so the source then looks as the driver does.
    np.testing.assert_allclose(target.canonical, driver.canonical, atol=1e-5)


def test_absolute_driving_opens_the_mouth_of_another_shape() -> None:
    source, driver = motion(jaw=0.25, width=1.1), motion(jaw=0.75, width=0.9)
    change = drive(source, driver, basis()).canonical - source.canonical
    np.testing.assert_allclose(change[LIPS[5]], (0, 0.5 * -1.2, 0), atol=1e-6)
    np.testing.assert_allclose(change[OVAL[0]], 0, atol=1e-6)


@quick
@given(motions, motions)
def test_a_driver_that_does_not_move_gives_the_source_back(source: Motion, driver: Motion) -> None:
    target = drive(source, driver, basis(), driver)
    np.testing.assert_allclose(target.canonical, source.canonical, atol=1e-6)
    np.testing.assert_allclose(target.pose.rotation, source.pose.rotation, atol=1e-5)
    np.testing.assert_allclose(target.pose.translation, source.pose.translation, atol=1e-4)
    assert target.pose.scale == pytest.approx(source.pose.scale)


@quick
@given(motions, motions, motions)
def test_relative_driving_of_the_driver_itself_gives_the_driver(
    source: Motion, driver: Motion, reference: Motion
) -> None:
    target = drive(reference, driver, basis(), reference)
    np.testing.assert_allclose(target.canonical, driver.canonical, atol=1e-5)
    np.testing.assert_allclose(target.pose.rotation, driver.pose.rotation, atol=1e-5)
    np.testing.assert_allclose(target.pose.translation, driver.pose.translation, atol=1e-3)
    assert target.pose.scale == pytest.approx(driver.pose.scale)


def test_relative_driving_adds_turns_and_scales_ways() -> None:
    source = motion((10, 0, 0), place=(100, 120), scale=8)
    reference, driver = motion(scale=4), motion((15, 0, 0), place=(133, 126), scale=5)
    target = drive(source, driver, basis(), reference)
    np.testing.assert_allclose(target.pose.euler_deg(), (25, 0, 0), atol=1e-3)
    # The source is twice as large as the driver at first, so it moves twice as far.
    np.testing.assert_allclose(target.pose.translation, (100 + 10, -120 + 4, 0), atol=1e-4)
    assert target.pose.scale == pytest.approx(8 * 5 / 4)


def test_a_head_in_numbers() -> None:
    seen = motion((20, 5, -3), place=(140, 110))
    head = head_of(seen, crown_of(neutral()), 256)
    expected = normalised(project(seen.canonical, seen.pose))
    np.testing.assert_allclose(head.points[0].numpy(), expected, atol=1e-6)
    shape = np.concatenate([seen.canonical, np.ones((478, 1), np.float32)], 1)
    by_matrix = shape @ head.pose[0].numpy().T
    np.testing.assert_allclose(by_matrix, expected, atol=1e-5)
    assert head.crown.shape == (1, 17, 3)
    assert head.map.shape == (1, len(REGIONS), 128, 128)
    assert head.map.dtype == torch.uint8


def regions(head: Motion, size: int = 128) -> Tensor:
    """Its face map as shares 0 to 1, (10, size, size)."""
    return head_of(head, crown_of(neutral()), 2 * size).map[0].float() / 255


def _area(corners: Floats) -> float:
    """Of a polygon (n, 2), by the shoelace formula."""
    (x, y), (next_x, next_y) = corners.T, np.roll(corners, -1, 0).T
    return abs(float(x @ next_y - y @ next_x)) / 2


@pytest.mark.parametrize("turn", [(0, 0, 0), (25, -10, 15), (-30, 12, -20)])
def test_regions_have_the_area_of_their_outlines(turn: tuple[float, float, float]) -> None:
    head = motion(turn, jaw=0.8)
    drawn = regions(head)
    seen = project(head.canonical, head.pose)[:, :2] * np.float32(0.5)
    for channel, outline in ((1, OVAL), (2, LIPS), (4, EYES[0]), (5, EYES[1])):
        corners = seen[list(outline)]
        # PIL's polygons include their outline: half a pixel at double size all around.
        rim = np.linalg.norm(corners - np.roll(corners, 1, 0), axis=1).sum() / 4
        assert _area(corners) - 1 <= float(drawn[channel].sum()) <= _area(corners) + rim + 2


@quick
@given(degrees, shares)
def test_regions_nest_and_stay_away_from_the_border(
    turn: tuple[float, float, float], jaw: float
) -> None:
    drawn = regions(motion(turn, jaw=jaw, scale=7))
    head, face, lips, mouth, *eyes_and_irises = drawn[:8]
    left_eye, right_eye, left_iris, right_iris = eyes_and_irises
    assert (left_iris <= left_eye).all() and (right_iris <= right_eye).all()
    assert left_iris.sum() > 0 and right_iris.sum() > 0
    assert (drawn[1:] <= head + 1e-6).float().mean() > 0.99
    # A shut mouth seen from above or below is a line, which is drawn a pixel wide.
    around_lips = torch.nn.functional.max_pool2d(lips[None], 5, 1, 2)[0]
    assert (mouth <= around_lips + 1e-6).all()
    border = torch.cat([drawn[:, 0], drawn[:, -1], drawn[:, :, 0], drawn[:, :, -1]], 1)
    assert border.max() == 0
    assert face.sum() < head.sum()


def test_a_shifted_head_has_a_shifted_map_cut_at_the_border() -> None:
    whole, cut = regions(motion(jaw=0.5)), regions(motion(jaw=0.5, place=(128 + 96, 128)))
    torch.testing.assert_close(cut[..., 48:], whole[..., :-48], atol=0.02, rtol=0)
    assert cut[..., :10].sum() == 0


def test_regions_outside_the_picture_are_empty() -> None:
    assert regions(motion(place=(700, 128))).sum() == 0


def test_closed_lids_hide_the_iris() -> None:
    shut = motion()
    for eye in EYES:
        lids = shut.canonical[list(eye)]
        shut.canonical[list(eye), 1] = lids[:, 1].mean()
    assert regions(motion())[6].sum() > 10
    assert regions(shut)[6].sum() < 0.2 * regions(motion())[6].sum()


def test_a_mirrored_face_has_a_mirrored_map() -> None:
    face, crown = normalised(project(neutral(), motion().pose)), crown_of(neutral())
    seen = normalised(project(crown, motion().pose))
    drawn = draw_face_map(face, seen, 64).astype(int)
    mirrored = draw_face_map(face * (-1, 1, 1), seen * (-1, 1, 1), 64).astype(int)
    assert np.abs(drawn[:, :, ::-1] - mirrored).mean() < 0.5
    assert np.abs(drawn - mirrored)[4:6].max() == 255  # the eyes have changed places


def test_attention_looks_at_eyes_and_mouth() -> None:
    seen = motion(jaw=0.8)
    face_map = head_of(seen, crown_of(neutral()), 256).map
    weights = attention(face_map, 4.0)[0, 0]
    assert weights.shape == (256, 256)
    spots = project(seen.canonical[[468, 473, LIPS[5], 13, 10, 199]], seen.pose)
    at = [float(weights[int(y), int(x)]) for x, y, _ in spots]
    assert at == [4, 4, 4, 4, 1, 1]
    assert weights.min() == 1


def test_control_points_are_distinct_and_mirror_symmetric() -> None:
    vertices = canonical_face().vertices
    mesh = [index for index in CONTROL_POINTS if index < 468]
    chosen = {tuple(np.round(np.abs(vertices[index]), 2)) for index in mesh}
    assert len(set(CONTROL_POINTS)) == len(CONTROL_POINTS)
    for index in mesh:
        image = vertices[index] * (-1, 1, 1)
        nearest = int(np.abs(vertices - image).sum(1).argmin())
        assert nearest in CONTROL_POINTS, index
    assert len(chosen) < len(mesh)


def plain_model() -> EarlyExitModel:
    """Fresh weights: no correction of the flow, no painting."""
    model = tiny_faces.random_model()
    model.trunk.load_state_dict(PortraitGenerator(tiny_faces.GENERATOR).state_dict())
    return model


def test_a_head_that_stays_keeps_picture_and_volume() -> None:
    trunk: Any = plain_model().trunk
    picture, source, _ = tiny_faces.inputs(2)
    appearance = trunk.encode(picture, source)
    condition = trunk.condition(appearance, source, source)
    assert condition.flow.abs().max() == 0
    torch.testing.assert_close(condition.warped_picture(), picture, atol=1e-5, rtol=0)
    torch.testing.assert_close(condition.volume, appearance.features[-1], atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("landmark", [33, 263, 4, 61, 13, 468, 105])
def test_the_flow_leads_from_the_target_s_landmarks_to_the_source_s(landmark: int) -> None:
    config = PortraitConfig(256, (8,) * 5, (8, 8, 8), motion_channels=8, descriptor=8)
    trunk = PortraitGenerator(config)  # untrained: the flow is the landmarks' alone
    source, target = motion(), motion((10, -6, 8), jaw=0.5, place=(136, 122), scale=9)
    crown = crown_of(neutral())
    heads = [head_of(head, crown, 256) for head in (source, target)]
    flow = trunk.condition(torch.zeros(1, 3, 256, 256), heads[0], heads[1]).flow
    start, end = (head.points[0, landmark, :2] for head in heads)
    found = F.grid_sample(flow, end.view(1, 1, 1, 2), align_corners=False).flatten()
    assert (start - end).norm() > 0.05
    torch.testing.assert_close(found, start - end, atol=0.008, rtol=0)  # a pixel of 256


def test_an_untrained_generator_only_moves_the_source() -> None:
    picture, source, target = tiny_faces.inputs(1)
    trunk: Any = PortraitGenerator(tiny_faces.GENERATOR)
    image = trunk(picture, source, target)
    warped = trunk.condition(picture, source, target).warped_picture()
    assert torch.equal(image, warped)


@pytest.mark.parametrize("exit_index", range(1, 5))
def test_a_source_read_ahead_gives_the_same_image(model: EarlyExitModel, exit_index: int) -> None:
    picture, source, target = tiny_faces.inputs(2)
    read = model.trunk_as(PortraitGenerator).encode(picture, source)
    ahead = model(read, source, target, exit_index=exit_index)
    assert torch.equal(ahead, model(picture, source, target, exit_index=exit_index))


def test_one_source_serves_many_drivers(model: EarlyExitModel) -> None:
    picture, source, _ = tiny_faces.inputs(1)
    read = model.trunk_as(PortraitGenerator).encode(picture, source)
    kept = [feature.clone() for feature in read.features]
    images = [
        model(read, source, tiny_faces.head(motion((yaw, 0, 0))), exit_index=1)
        for yaw in (-15, 0, 15)
    ]
    assert all(not torch.equal(a, b) for a, b in pairwise(images))
    assert all(torch.equal(a, b) for a, b in zip(kept, read.features, strict=True))


def test_reading_a_source_is_counted_apart(model: EarlyExitModel) -> None:
    costs, (picture, source, target) = count(model), tiny_faces.inputs(1)
    read = model.trunk_as(PortraitGenerator).encode(picture, source)
    assert costs.encoder == macs(lambda: model.trunk_as(PortraitGenerator).encode(picture, source))
    for index, exit_macs in enumerate(costs.exits, 1):
        ahead = macs(lambda index=index: model(read, source, target, exit_index=index))  # type: ignore[misc]
        whole = macs(lambda index=index: model(picture, source, target, exit_index=index))  # type: ignore[misc]
        assert exit_macs == ahead
        assert whole - ahead == costs.encoder


def test_the_encoder_costs_what_its_layers_say(model: EarlyExitModel) -> None:
    config = tiny_faces.GENERATOR
    sides = [config.size // 2 ** (level + 1) for level in range(len(config.encoder))]
    stem = (3 + len(REGIONS)) * config.encoder[0] * 9 * sides[0] ** 2
    shrinks = [
        a * b * 9 * side**2
        for (a, b), side in zip(pairwise(config.encoder), sides[1:], strict=True)
    ]
    blocks = [2 * w * w * 9 * side**2 for w, side in zip(config.encoder, sides, strict=True)]
    describe = config.encoder[-1] * config.descriptor
    assert count(model).encoder == stem + sum(shrinks) + config.blocks * sum(blocks) + describe


def test_half_the_size_shares_all_but_the_last_stage() -> None:
    config = FACES.generator
    assert isinstance(config, PortraitConfig)
    with torch.device("meta"):
        whole, half = (PortraitGenerator(c).state_dict() for c in (config, config.half_size()))
    last = f"stage_list.{config.stages - 1}.", f"masks.outputs.{config.stages - 2}."
    assert whole.keys() - half.keys() == {name for name in whole if name.startswith(last)}
    changed = {name for name, tensor in half.items() if tensor.shape != whole[name].shape}
    assert changed == {"to_rgb.weight"}
    for stage in range(config.stages - 1):
        assert config.half_size().stage_size(stage) == config.stage_size(stage)


@pytest.mark.parametrize("size", [64, 128])
def test_a_generator_of_half_the_size_runs(size: int) -> None:
    config = PortraitConfig(128, (8, 8, 8, 8, 8), (8, 8, 8), motion_channels=8, descriptor=8)
    config = config if size == 128 else config.half_size()
    trunk = PortraitGenerator(config)
    image = trunk(*trunk.example_inputs(encoded=False))
    assert image.shape == (1, 3, size, size)
    assert image.isfinite().all()


def test_crown_sits_above_and_behind_the_face() -> None:
    crown, oval = crown_of(neutral()), neutral()[list(OVAL)]
    assert crown[:, 1].max() > oval[:, 1].max() + 2
    assert np.ptp(crown[:, 0]) == pytest.approx(1.4 * np.ptp(oval[:, 0]), rel=0.02)
    np.testing.assert_allclose(crown * (-1, 1, 1), crown[::-1], atol=1e-3)


def test_landmarks_move_with_the_named_blendshape() -> None:
    moved = motion(jaw=1).canonical - motion().canonical
    np.testing.assert_allclose(moved, basis()[JAW_OPEN], atol=1e-6)
    np.testing.assert_allclose(rotation_from_euler(0, 0, 90) @ (1, 0, 0), (0, 1, 0), atol=1e-6)
