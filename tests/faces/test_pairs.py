"""Training pairs of faces: picture and landmarks agree whatever is done to them."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from face_data import BROW_UP, JAW_OPEN, basis, draw_face, motion, write_faces
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor

from fiancee_hub.core.errors import DataError
from fiancee_hub.families.faces.controls import CONTROLS, Controls
from fiancee_hub.families.faces.heads import Head
from fiancee_hub.families.faces.landmarks.pose import Floats, fit_pose, project, rotation_from_euler
from fiancee_hub.families.faces.training.identity import (
    CROP,
    POINTS,
    TEMPLATE,
    IdentityLoss,
    _crop_grid,
)
from fiancee_hub.families.faces.training.pairs import (
    SIZE,
    Change,
    FaceFolder,
    PairSource,
    _mirrored,
    collate,
    fit_expression_basis,
    groups_of,
    motion_distance,
    random_controls,
)
from fiancee_hub.families.faces.training.prepare import prepare_faces
from fiancee_hub.families.faces.warps import identity_grid

EXAMPLES = Path(__file__).parents[2] / "space" / "examples" / "faces"
quick = settings(max_examples=25, deadline=None)
changes = st.builds(
    Change,
    scale=st.floats(0.75, 1.3),
    degrees=st.floats(-25, 25),
    shift=st.tuples(st.floats(-20, 20), st.floats(-20, 20)),
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> FaceFolder:
    return write_faces(tmp_path_factory.mktemp("data") / "faces", {"train": 3, "val": 2})


@pytest.fixture(scope="module")
def source(data: FaceFolder) -> PairSource:
    return PairSource(data, "train")


def pixels(head: Head) -> Floats:
    """Landmarks of a batch of one, in pixels."""
    points = head.points[0].numpy() * (SIZE / 2)
    points[:, :2] += SIZE / 2
    return np.asarray(points, np.float32)


def spot(at: Floats, width: float = 4) -> Tensor:
    """A white spot on black at a point (x, y, …) in pixels, (3, size, size) in [-1, 1]."""
    cells = (identity_grid(SIZE, SIZE, torch.zeros(1)) + 1) * (SIZE / 2)
    square = (cells - torch.from_numpy(at[:2].copy())).square().sum(-1)
    return (2 * torch.exp(-square / (2 * width**2)) - 1).expand(3, -1, -1)


def middle(picture: Tensor, expected: Floats) -> Floats:
    """Where the spot is, (x, y) in pixels; copies mirrored at a border lie elsewhere."""
    cells = (identity_grid(SIZE, SIZE, torch.zeros(1)) + 1) * (SIZE / 2)
    near = (cells - torch.from_numpy(expected[:2].copy())).norm(dim=-1) < 30
    light = (picture[0] + 1).clamp(min=0) * near
    return np.asarray((light[..., None] * cells).sum((0, 1)) / light.sum(), np.float32)


@quick
@given(changes, st.sampled_from([4, 33, 152, 263, 61]))
def test_a_change_moves_landmarks_as_it_moves_pixels(change: Change, landmark: int) -> None:
    seen = motion((10, -5, 3), place=(125, 131), scale=6)
    before = project(seen.canonical, seen.pose)
    after = project(seen.canonical, change.pose(seen.pose))
    picture = change.picture(spot(before[landmark]))
    found = middle(picture, after[landmark])
    np.testing.assert_allclose(found, after[landmark, :2], atol=0.1)


def test_the_signs_of_a_change() -> None:
    pose = motion().pose
    up_right = Change(shift=(10, 5)).pose(pose)
    np.testing.assert_allclose(up_right.translation - pose.translation, (10, 5, 0))
    assert Change(degrees=15).pose(pose).euler_deg()[2] == pytest.approx(15, abs=1e-3)
    assert Change(scale=1.2).pose(pose).scale == pytest.approx(1.2 * pose.scale)
    picture = spot(np.array([128, 40], np.float32))
    assert Change().picture(picture) is picture
    turned = np.array([40, 128], np.float32)
    found = middle(Change(degrees=90).picture(picture), turned)
    np.testing.assert_allclose(found, turned, atol=0.1)


def test_a_mirrored_motion_projects_to_mirrored_landmarks() -> None:
    seen = motion((17, -6, 9), jaw=0.6, brows=0.3, place=(120, 131), width=0.9)
    points = project(seen.canonical, seen.pose)
    mirrored = _mirrored(seen)
    found = project(mirrored.canonical, mirrored.pose)
    assert np.linalg.det(mirrored.pose.rotation) == pytest.approx(1, abs=1e-5)
    np.testing.assert_allclose(mirrored.pose.euler_deg(), (-17, -6, -9), atol=1e-3)
    pairs = [(33, 263), (133, 362), (61, 291), (70, 300), (234, 454), (468, 473), (469, 476)]
    pairs += [(470, 475), (472, 477), (1, 1), (13, 13), (152, 152)]
    for left, right in pairs + [pair[::-1] for pair in pairs]:
        expected = points[right] * (-1, 1, 1) + (SIZE, 0, 0)
        np.testing.assert_allclose(found[left], expected, atol=2e-3, err_msg=f"{left}")


def test_mirroring_twice_changes_nothing() -> None:
    seen = motion((17, -6, 9), jaw=0.6, place=(120, 131))
    again = _mirrored(_mirrored(seen))
    np.testing.assert_allclose(again.canonical, seen.canonical, atol=1e-6)
    np.testing.assert_allclose(again.pose.translation, seen.pose.translation, atol=1e-4)
    np.testing.assert_allclose(again.pose.rotation, seen.pose.rotation, atol=1e-6)


def test_the_expression_basis_is_found_from_frames_of_one_group(data: FaceFolder) -> None:
    found = fit_expression_basis(data).numpy()
    for index in (JAW_OPEN, BROW_UP):
        a, b = found[index].ravel(), basis()[index].ravel()
        length = np.linalg.norm(a) / np.linalg.norm(b)
        assert a @ b / np.linalg.norm(a) / np.linalg.norm(b) > 0.97
        assert 0.4 < length < 1.05  # the ridge shrinks what few frames show
    others = np.delete(found, [JAW_OPEN, BROW_UP], 0)
    assert np.abs(others).max() == 0


def test_motion_distances_have_their_unit() -> None:
    still = motion()
    assert motion_distance(still, still) == pytest.approx(0, abs=0.01)
    assert motion_distance(still, motion((10, 0, 0))) == pytest.approx(1, abs=0.01)
    shifted = replace(still, canonical=still.canonical + np.float32(0.2))
    assert motion_distance(still, shifted) == pytest.approx(1, abs=0.01)


def test_a_pair_is_what_its_frames_show(data: FaceFolder, source: PairSource) -> None:
    members = next(iter(source.groups.values()))
    pair = source.make(members[0], members[1])
    for head, picture, frame in (
        (pair.source, pair.picture, members[0]),
        (pair.target, pair.truth, members[1]),
    ):
        np.testing.assert_allclose(pixels(head), data.landmarks[frame.index], atol=0.01)
        stored = torch.from_numpy(data.images[frame.index].astype(np.float32))
        torch.testing.assert_close(picture, stored.permute(2, 0, 1) / 127.5 - 1)


def test_a_pair_by_blendshapes_has_the_driver_s_pose(source: PairSource) -> None:
    members = next(iter(source.groups.values()))
    exact = source.make(members[0], members[1])
    pair = source.make(members[0], members[1], by_blendshapes=True)
    torch.testing.assert_close(pair.target.pose, exact.target.pose)
    torch.testing.assert_close(pair.source.points, exact.source.points)
    moved = (pair.target.points - exact.target.points).abs().max()
    assert 0 < moved < 0.1


@pytest.mark.parametrize("seed", range(8))
def test_random_pairs_keep_landmarks_on_the_face(data: FaceFolder, seed: int) -> None:
    """The drawn eyes are the only grey-white in a picture: they must lie where the map says."""
    source = PairSource(data, "train")
    source.BY_BLENDSHAPES = 0  # the driver's own landmarks, so the truth fits exactly
    pair = source.random_self(np.random.default_rng(seed))
    for head, picture in ((pair.source, pair.picture), (pair.target, pair.truth)):
        eyes = head.map[0, 4:6].amax(0).float() / 255
        eyes = torch.nn.functional.interpolate(eyes[None, None], scale_factor=2)[0, 0] > 0.9
        irises = head.map[0, 6:8].amax(0).float() / 255
        irises = torch.nn.functional.interpolate(irises[None, None], scale_factor=2)[0, 0] > 0.1
        white = picture[:, eyes & ~irises]
        assert white.shape[1] > 5
        assert (white.amax(0) - white.amin(0)).median() < 0.25
        assert white.mean() > picture.mean()


def test_splits_have_no_person_in_common_and_lost_faces_are_left_out(data: FaceFolder) -> None:
    train, val = ({frame.person for frame in data.split(name)} for name in ("train", "val"))
    assert (len(train), len(val)) == (3, 2)
    assert not train & val
    everything = json.loads((data.root / "frames.json").read_text())
    lost = {index for index, entry in enumerate(everything) if not entry["found"]}
    assert len(lost) == 2
    assert not lost & {frame.index for frame in data.frames}
    assert set(PairSource(data, "val").by_person) == val


def test_groups_are_clips_and_photographs_stand_alone(source: PairSource) -> None:
    assert {len(members) for members in source.groups.values()} == {4}
    assert len(source.groups) == 6
    assert len(source.stills) == 3
    assert groups_of(source.stills) == {}


def test_batches_have_the_shape_that_the_generator_takes(source: PairSource) -> None:
    batch = source.pairs(3, torch.Generator().manual_seed(0), side=128)
    picture, here, there = batch["inputs"]
    assert picture.shape == batch["truth"].shape == (3, 3, 128, 128)
    assert picture.abs().max() <= 1
    assert here.map.shape == there.map.shape == (3, 10, 128, 128)
    assert here.crown.shape == (3, 17, 3)
    assert here.pose.shape == (3, 3, 4)


def test_drawing_is_repeatable_and_goes_on(source: PairSource) -> None:
    random = torch.Generator().manual_seed(3)
    first, second = source.draw(2, random), source.draw(2, random)
    again = source.draw(2, torch.Generator().manual_seed(3))
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[2].points, again[2].points)
    assert not torch.equal(first[0], second[0])


def test_another_person_s_driver_leaves_the_source_s_shape(source: PairSource) -> None:
    members = list(source.groups.values())
    here, there = members[0][0], members[-1][0]
    pair = source.cross(here, there)
    wanted = source.data.motions[there.index].pose.rotation
    turn = pair.target.pose[0, :, :3].numpy() * np.array([[1], [-1], [-1]])
    np.testing.assert_allclose(turn / np.linalg.norm(turn, axis=0), wanted, atol=1e-5)
    still = source.cross(here, there, there)
    torch.testing.assert_close(still.target.points, still.source.points, atol=1e-5, rtol=0)


def test_collating_keeps_the_order(source: PairSource) -> None:
    members = next(iter(source.groups.values()))
    pairs = [source.make(members[0], other) for other in members[1:]]
    batch = collate(pairs, SIZE)
    for index, pair in enumerate(pairs):
        assert torch.equal(batch["truth"][index], pair.truth)
        assert torch.equal(batch["inputs"][2].points[index : index + 1], pair.target.points)


def test_identity_crops_have_eyes_nose_and_mouth_in_their_places() -> None:
    """A face whose five points lie as the template has them, turned, enlarged and moved."""
    turn = rotation_from_euler(0, 0, 20)[:2, :2] * np.float32(0.7)
    places = (np.array(TEMPLATE, np.float32) / CROP * 2 - 1) @ turn.T + (0.1, -0.2)
    points = torch.zeros(2, 478, 3)
    for place, pair in zip(places, POINTS, strict=True):
        points[:, list(pair), :2] = torch.from_numpy(place.astype(np.float32))
    points[1, :, :2] *= 0.5
    grid = _crop_grid(points)
    asked = torch.tensor(TEMPLATE).view(1, 1, 5, 2).expand(2, -1, -1, -1) / CROP * 2 - 1
    found = torch.nn.functional.grid_sample(grid.permute(0, 3, 1, 2), asked, align_corners=False)[
        :, :, 0
    ].mT
    wanted = torch.from_numpy(places.astype(np.float32))
    torch.testing.assert_close(found, torch.stack([wanted, 0.5 * wanted]), atol=1e-4, rtol=0)


def test_identity_loss_is_zero_for_the_truth_alone(data: FaceFolder) -> None:
    loss = IdentityLoss(data.root)
    seen = motion((5, 0, 0))
    points = torch.from_numpy(project(seen.canonical, seen.pose) / 128 - 1)[None]
    one, other = (
        torch.from_numpy(np.array(draw_face(seen, person), np.float32)).permute(2, 0, 1)[None]
        / 127.5
        - 1
        for person in (1, 2)
    )
    assert float(loss(one, one, points)) == pytest.approx(0, abs=1e-6)
    changed = one.clone().requires_grad_()
    distance = loss(changed, other, points)
    distance.backward()
    assert distance.item() > 5e-5  # random weights tell little apart
    assert changed.grad is not None and changed.grad.abs().sum() > 0
    assert not any(parameter.requires_grad for parameter in loss.parameters())


@pytest.fixture
def sources(data: FaceFolder, tmp_path: Path) -> Path:
    """Source data of two persons: photographs with a licence for it, one of them made small."""
    faces = tmp_path / "sources" / "faces"
    for person in ("london_008", "lfw_small"):
        (faces / "images" / person).mkdir(parents=True)
    for name in ("neutral", "smile"):
        copy = faces / "images" / "london_008" / f"{name}.jpg"
        shutil.copy(EXAMPLES / f"london_008_{name}.jpg", copy)
    with Image.open(EXAMPLES / "london_107_neutral.jpg") as image:
        image.resize((128, 128)).save(faces / "images/lfw_small/p0001.jpg", quality=95)
    Image.new("RGB", (128, 128), (90, 120, 90)).save(faces / "images/lfw_small/p0002.jpg")
    (faces / "persons.csv").write_text(
        "person,source,split,frames\nlondon_008,london,train,2\nlfw_small,lfw,val,2\n"
    )
    (tmp_path / "sources" / "face-identity-2").mkdir()
    identity = tmp_path / "sources" / "face-identity-2" / "model.safetensors"
    shutil.copy(data.root / "identity.safetensors", identity)
    return tmp_path / "sources"


def test_faces_are_prepared_as_they_are_read_back(sources: Path, tmp_path: Path) -> None:
    assert prepare_faces(sources, tmp_path / "data") == 3
    found = FaceFolder(tmp_path / "data")
    assert [frame.group for frame in found.frames] == [
        "london_008/neutral",
        "london_008/smile",
        "lfw_small/p0001",
    ]
    assert [frame.split for frame in found.frames] == ["train", "train", "val"]
    assert found.images.shape == (4, 256, 256, 3)
    assert found.landmarks.shape == (4, 478, 3)
    assert found.expressions.shape == (4, 52)
    assert not found.landmarks[3].any()
    assert not found.expressions[3].any()
    # Stored enlarged, so are the landmarks: the mouth of an upright face is below its nose.
    assert 60 < found.landmarks[2][4, 1] < found.landmarks[2][13, 1] < 256
    with Image.open(sources / "faces/images/london_008/neutral.jpg") as image:
        np.testing.assert_array_equal(found.images[0], np.asarray(image.convert("RGB")))
    IdentityLoss(found.root)


def test_clips_are_grouped_by_segment(sources: Path, tmp_path: Path) -> None:
    folder = sources / "faces" / "images" / "clip_1"
    folder.mkdir()
    for name in ("a0_00001", "a0_00002", "a1_00003"):
        shutil.copy(EXAMPLES / "london_107_smile.jpg", folder / f"{name}.jpg")
    table = sources / "faces" / "persons.csv"
    table.write_text("person,source,split\nclip_1,clip,train\n")
    prepare_faces(sources, tmp_path / "data")
    frames = FaceFolder(tmp_path / "data").frames
    assert [frame.group for frame in frames] == ["clip_1/a0", "clip_1/a0", "clip_1/a1"]
    assert list(groups_of(frames)) == ["clip_1/a0"]


@pytest.mark.parametrize(
    ("lost", "reason"),
    [
        ("face-identity-2/model.safetensors", "model.safetensors is missing"),
        ("faces/persons.csv", "persons.csv is missing"),
        ("faces/images/london_008", "london_008, who has no images"),
    ],
)
def test_missing_sources_are_named(sources: Path, tmp_path: Path, lost: str, reason: str) -> None:
    path = sources / lost
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(DataError, match=reason):
        prepare_faces(sources, tmp_path / "data")


def test_a_folder_that_is_not_prepared_says_so(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="train prepare"):
        FaceFolder(tmp_path)


def test_a_split_without_filmed_persons_is_named(tmp_path: Path) -> None:
    data = write_faces(tmp_path / "data", {"test": 1})
    for split in ("train", "val"):
        with pytest.raises(DataError, match=rf"frames\.json has no person .* split '{split}'"):
            PairSource(data, split)
    # Evaluation brings the checkpoint's own basis, and needs nobody to fit one to.
    assert len(PairSource(data, "test", basis()).by_person) == 1


def test_a_damaged_list_of_frames_is_named(tmp_path: Path) -> None:
    (tmp_path / "frames.json").write_text('[{"person": "1"}]')
    with pytest.raises(DataError, match=r"frames\.json is damaged"):
        _ = FaceFolder(tmp_path).frames


def yaw(head: Head) -> float:
    """Degrees, of landmarks in a picture."""
    points = (head.points[0].numpy() + np.array([1, 1, 0])) * (SIZE / 2)
    return float(fit_pose(points.astype(np.float32)).euler_deg()[0])


@quick
@given(st.floats(-30, 30))
def test_controls_turn_the_source_as_they_say(source: PairSource, degrees: float) -> None:
    frame = source.stills[0] if source.stills else next(iter(source.groups.values()))[0]
    pair = source.moved(frame, Controls(yaw=degrees, relative=True))
    assert yaw(pair.target) - yaw(pair.source) == pytest.approx(degrees, abs=1.5)
    assert torch.equal(pair.truth, pair.picture) and pair.person == frame.person


def test_controls_at_rest_leave_the_source_alone(source: PairSource) -> None:
    frame = next(iter(source.groups.values()))[0]
    pair = source.moved(frame, Controls(relative=True))
    torch.testing.assert_close(pair.target.points, pair.source.points, atol=1e-4, rtol=0)


def test_controls_are_drawn_within_their_range_and_each_is_left_alone_at_times() -> None:
    hand = np.random.default_rng(0)
    drawn = [random_controls(hand) for _ in range(200)]
    for control in CONTROLS:
        values = np.array([getattr(one, control.name) for one in drawn])
        assert control.least <= values.min() and values.max() <= control.most
        assert 0.35 < (values == 0).mean() < 0.65
        assert np.ptp(values) > (control.most - control.least) / 2
    assert all(one.relative for one in drawn)


def test_all_kinds_of_drivers_are_drawn(
    source: PairSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[str] = []
    for kind in ("random_self", "random_cross", "random_controls"):
        plain = getattr(source, kind)

        def noted(hand: np.random.Generator, kind: str = kind, plain: Any = plain) -> Any:
            drawn.append(kind)
            return plain(hand)

        monkeypatch.setattr(source, kind, noted)
    picture, *_ = source.draw(24, torch.Generator().manual_seed(0))
    assert len(picture) == 24 and {drawn.count(kind) > 3 for kind in set(drawn)} == {True}
    assert len(set(drawn)) == 3
