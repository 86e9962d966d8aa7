"""Figures of a faces checkpoint: pairs, baselines, judges, tables, and the whole command once."""

import functools
import json
import math
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_faces
import torch
from face_data import write_faces
from huggingface_hub import ModelCard
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from fiancee_hub.cli.main import main
from fiancee_hub.core.cost import count
from fiancee_hub.core.errors import CheckpointError, DataError, InputError
from fiancee_hub.core.perceptual import PerceptualDistance
from fiancee_hub.core.recipe import Recipe
from fiancee_hub.core.router import BUDGETS as CALIBRATED
from fiancee_hub.core.router import Calibration
from fiancee_hub.evaluation import evaluate
from fiancee_hub.evaluation.card import markers
from fiancee_hub.families.faces.heads import Head
from fiancee_hub.families.faces.judging import evaluate as evaluate_faces
from fiancee_hub.families.faces.judging import hard_sheet
from fiancee_hub.families.faces.judging import tables as face_tables
from fiancee_hub.families.faces.judging.identity_judge import POINTS, FaceIdentity, load_judge
from fiancee_hub.families.faces.judging.looks import FaceReader, Gallery, Look
from fiancee_hub.families.faces.judging.mesh_warp import VARIANTS, MeshWarp
from fiancee_hub.families.faces.judging.pairs import cross_pairs, self_pairs, spread
from fiancee_hub.families.faces.judging.scores import (
    EYE_POINTS,
    MOUTH_POINTS,
    identity_levels,
    landmark_errors,
    mean_correlation,
    mean_ratio,
    most_motion,
    score,
    turn_between,
)
from fiancee_hub.families.faces.judging.sheets import (
    SLIDERS,
    ShownPersons,
    check_private,
    headings,
    label,
)
from fiancee_hub.families.faces.judging.tables import CROSS_SHEET, HARD_SHEET, OWN_SHEET
from fiancee_hub.families.faces.landmarks.pose import rotation_from_euler
from fiancee_hub.families.faces.pipeline import Controls
from fiancee_hub.families.faces.training.pairs import FaceFolder
from fiancee_hub.families.faces.training.prepare import read_face, read_frame
from fiancee_hub.hub.checkpoints import save_checkpoint
from fiancee_hub.hub.config import untrained
from fiancee_hub.measuring.timing import exit_milliseconds

ROOT = Path(__file__).parents[2]
JUDGE = ROOT / "weights_card" / "face-judge"
PICTURES = ROOT / "space" / "examples" / "faces"

Figures = dict[str, Any]


# The judge of identity

KNOWN = {
    "london_008_neutral": (
        ((171, 113), (145, 112), (89, 107), (115, 110), (128, 149)),
        (-0.11564, 0.05711, 0.00316, 0.04947, 0.02944, -0.01167, -0.04143, 0.01064),
    ),
    "london_107_smile": (
        ((167, 111), (144, 113), (93, 114), (116, 114), (133, 148)),
        (0.0122, -0.04766, 0.01255, -0.20361, 0.05451, 0.0256, 0.02695, 0.07437),
    ),
}
"""Points, and the first numbers of the embedding by an implementation of its own."""


@pytest.fixture(scope="module")
def judge() -> FaceIdentity:
    return load_judge(JUDGE)


@pytest.mark.parametrize("name", KNOWN)
def test_the_judge_gives_the_known_answer(judge: FaceIdentity, name: str) -> None:
    points, numbers = KNOWN[name]
    landmarks = torch.zeros(1, 478, 3)
    landmarks[0, list(POINTS), :2] = torch.tensor(points, dtype=torch.float32)
    embedding = judge(picture(name), landmarks)[0]
    assert embedding.norm() == pytest.approx(1, abs=1e-5)
    assert embedding[:8].tolist() == pytest.approx(numbers, abs=1e-4)


def picture(name: str) -> torch.Tensor:
    pixels = np.array(read_frame(PICTURES / f"{name}.jpg"))
    return torch.from_numpy(pixels).permute(2, 0, 1)[None] / 127.5 - 1


def test_the_judge_sees_the_face_wherever_it_is(judge: FaceIdentity) -> None:
    points, _ = KNOWN["london_008_neutral"]
    landmarks = torch.zeros(1, 478, 3)
    landmarks[0, list(POINTS), :2] = torch.tensor(points, dtype=torch.float32)
    image = picture("london_008_neutral")
    mirrored_twice = torch.rot90(image, 2, (2, 3))
    turned = landmarks.clone()
    turned[..., :2] = 256 - turned[..., :2]
    assert torch.allclose(judge(image, landmarks), judge(mirrored_twice, turned), atol=1e-4)


def test_a_missing_judge_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"model\.safetensors"):
        load_judge(tmp_path)


# The mesh warp


@pytest.mark.parametrize("name", VARIANTS)
def test_to_its_own_head_every_warp_leaves_the_picture_as_it_is(name: str) -> None:
    image, head, _ = tiny_faces.inputs(2)
    assert torch.allclose(VARIANTS[name](image, head, head), image, atol=1e-4)


def moved(head: Head, x: float, y: float) -> Head:
    way = torch.tensor([x, y, 0.0])
    return head._replace(points=head.points + way, crown=head.crown + way)


def test_a_moved_head_takes_the_whole_picture_along() -> None:
    _, head, _ = tiny_faces.inputs(2)
    for warp in (MeshWarp(), MeshWarp(crown=True), MeshWarp(halo=(1.4, 1.8))):
        flow = warp.flow(head, moved(head, 0.1, -0.05))
        assert torch.allclose(flow[:, 0], torch.tensor(-0.1), atol=1e-3)
        assert torch.allclose(flow[:, 1], torch.tensor(0.05), atol=1e-3)


def test_a_fixed_border_stays() -> None:
    _, head, _ = tiny_faces.inputs(2)
    flow = MeshWarp(border=True).flow(head, moved(head, 0.1, 0))
    edges = torch.cat([flow[:, :, 0], flow[:, :, -1], flow[..., 0], flow[..., -1]], -1)
    assert edges.abs().max() < 0.03
    assert flow[:, 0, 32, 32].tolist() == pytest.approx([-0.1] * 2, abs=0.03)


def test_outside_the_head_the_rest_stays() -> None:
    _, head, _ = tiny_faces.inputs(1)
    flow = MeshWarp(soft=3).flow(head, moved(head, 0.1, 0))
    share = torch.nn.functional.adaptive_max_pool2d(head.map[:, :1].float(), 64)
    far = torch.nn.functional.max_pool2d(share, 7, 1, 3) == 0
    assert far.any()
    assert flow[:, :1][far].abs().max() == 0


def test_a_copied_source_that_is_the_truth_has_no_distance() -> None:
    image, _, _ = tiny_faces.inputs(2)
    assert PerceptualDistance()(image, image).abs().max() == 0


# Pairs


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> FaceFolder:
    root = tmp_path_factory.mktemp("faces") / "data"
    return write_faces(root, {"train": 2, "val": 2, "test": 3})


def test_self_pairs_are_two_frames_of_one_group(data: FaceFolder) -> None:
    pairs = self_pairs(data, "test", 30, seed=0)
    assert pairs == self_pairs(data, "test", 30, seed=0)
    assert len(set(pairs)) == len(pairs) == 30
    assert all(p.source.group == p.driver.group for p in pairs)
    assert all(p.source != p.driver for p in pairs)
    by_person = [p.source.person for p in pairs]
    assert {by_person.count(person) for person in set(by_person)} == {10}
    assert {p.source.split for p in pairs} == {"test"}
    assert pairs != self_pairs(data, "test", 30, seed=1)


def test_no_more_self_pairs_than_there_are(data: FaceFolder) -> None:
    pairs = self_pairs(data, "test", 10_000, seed=0)
    assert len(set(pairs)) == len(pairs) == 3 * 2 * 4 * 3


def test_cross_pairs_are_of_two_persons(data: FaceFolder) -> None:
    pairs = cross_pairs(data, "test", 30, seed=0)
    assert pairs == cross_pairs(data, "test", 30, seed=0)
    assert len(pairs) == 30
    assert all(p.source.person != p.driver.person for p in pairs)
    assert {p.driver.source for p in pairs} == {"clip"}
    assert {p.source.source for p in pairs} == {"clip", "lfw"}
    by_person = [p.source.person for p in pairs]
    assert {by_person.count(person) for person in set(by_person)} == {10}


def test_too_few_persons_are_named(tmp_path: Path) -> None:
    data = write_faces(tmp_path / "data", {"train": 2, "test": 1})
    with pytest.raises(DataError, match="only one person in the split 'test'"):
        cross_pairs(data, "test", 5, seed=0)
    with pytest.raises(DataError, match="no filmed persons in the split 'val'"):
        self_pairs(data, "val", 5, seed=0)


def test_frames_are_spread_over_the_list(data: FaceFolder) -> None:
    frames = data.split("test")
    assert spread(frames, 2) == [frames[0], frames[-1]]
    assert spread(frames[:3], 9) == frames[:3]


# Scores


def look(
    *,
    shift: tuple[float, float] = (0, 0),
    degrees: tuple[float, float, float] = (0, 0, 0),
    expression: float = 0,
    identity: int = 0,
) -> Look:
    landmarks = np.tile(np.array([*shift, 7], np.float32), (478, 1))
    vector = np.eye(128, dtype=np.float32)[identity]
    scores = np.full(52, expression, np.float32)
    return Look(landmarks, rotation_from_euler(*degrees), scores, vector)


def test_landmark_errors_are_distances_in_the_picture() -> None:
    truth = [look(), look(), look()]
    seen = [look(shift=(3, 4)), None, look()]
    for values in landmark_errors(seen, truth).values():
        assert values[0] == 5
        assert math.isnan(values[1])
        assert values[2] == 0
    eyes = look()
    eyes.landmarks[EYE_POINTS, 0] = 2
    errors = {name: value[0] for name, value in landmark_errors([eyes], [look()]).items()}
    assert errors["eye_error"] == 2
    assert errors["mouth_error"] == 0
    assert errors["landmark_error"] == pytest.approx(2 * len(EYE_POINTS) / 478)
    assert not set(EYE_POINTS) & set(MOUTH_POINTS)


@given(st.floats(0, 179), st.sampled_from([(1, 0, 0), (0, 1, 0), (0, 0, 1)]))
def test_a_turn_about_one_axis_is_its_angle(angle: float, axis: tuple[int, int, int]) -> None:
    yaw, pitch, roll = (angle * part for part in axis)
    start = rotation_from_euler(10, -5, 3)
    turned = rotation_from_euler(yaw, pitch, roll) @ start
    assert turn_between(turned, start) == pytest.approx(angle, abs=0.1)


def test_scores_by_hand() -> None:
    drivers = [look(degrees=(10, 0, 0)), look(degrees=(0, 4, 0)), look()]
    sources = [look(identity=0)] * 3
    seen = [look(degrees=(7, 0, 0)), look(degrees=(0, 4, 0), identity=1), None]
    figures = score(seen, drivers, sources).figures()
    assert (figures["n"], figures["missed"]) == (3, 1)
    assert figures["pose_error"] == pytest.approx(1.5, abs=0.02)
    assert figures["yaw_error"] == pytest.approx(1.5, abs=0.02)
    assert figures["pitch_error"] == pytest.approx(0, abs=0.02)
    assert figures["identity"] == pytest.approx(0.5)
    assert figures["expression_correlation"] is None
    some = score(seen, drivers, sources).figures(np.array([True, False, True]))
    assert (some["n"], some["missed"]) == (2, 1)
    assert some["identity"] == pytest.approx(1)


def test_where_nothing_was_found_there_is_no_figure() -> None:
    figures = score([None, None], [look()] * 2, [look()] * 2).figures()
    assert figures.pop("n") == figures.pop("missed") == 2
    assert set(figures.values()) == {None}
    assert face_tables.number(None) == face_tables.NONE


@settings(max_examples=30)
@given(
    arrays(np.float64, (6, 4), elements=st.floats(0, 1)),
    arrays(np.float64, (6, 4), elements=st.floats(0, 1)),
)
def test_the_mean_correlation_is_numpys(wanted: Any, seen: Any) -> None:
    expected = [
        np.corrcoef(a, b)[0, 1] if b.std() > 1e-6 else 0.0
        for a, b in zip(wanted.T, seen.T, strict=True)
        if a.std() > 0.02
    ]
    found = mean_correlation(wanted, seen)
    if all(s.std() > 1e-6 or s.std() == 0 for s in seen.T):
        assert found == (pytest.approx(np.mean(expected), abs=1e-6) if expected else None)


def test_the_quarter_with_most_motion() -> None:
    chosen = most_motion(np.array([5.0, 1, 8, 2, 7, 3, 6, 4]))
    assert chosen.tolist() == [False, False, True, False, True, False, False, False]


def test_a_ratio_is_drawn_by_person() -> None:
    values, others = np.array([1.0, 3, 4, 4]), np.array([2.0, 6, 4, 4])
    entry = mean_ratio(values, others, ["a", "a", "b", "b"])
    assert entry["ratio"] == pytest.approx(12 / 16)
    assert entry["interval"] == pytest.approx([0.5, 1])
    assert entry["persons"] == 2
    alike = mean_ratio(values / 2, values, ["a", "b", "c", "d"])
    assert alike["interval"] == pytest.approx([0.5, 0.5])


def test_levels_of_real_pictures_by_hand() -> None:
    looks = [look(identity=index) for index in (0, 0, 1, 0)]
    groups = [("a", "a/0"), ("a", "a/0"), ("a", "a/1"), ("b", "b/0")]
    levels = identity_levels(looks, groups)
    assert levels["same_group"] == 1
    assert levels["same_person_other_group"] == 0
    assert levels["different_persons"] == pytest.approx(2 / 3)


class CountingReader(FaceReader):
    """Finds a face in every picture, and counts how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0

    def look(self, image: torch.Tensor) -> Look | None:
        self.asked += 1
        return look(shift=(float(image.max()), 0))


def test_each_picture_is_looked_at_once() -> None:
    images = [torch.full((3, 3, 4, 4), value, dtype=torch.uint8) for value in (1, 2)]
    reader = CountingReader()
    gallery = Gallery(images, reader)
    for exits in ([1, 1, 2], [1, 2, 2], [1, 1, 1]):
        looks = gallery.looks(np.array(exits))
        assert [int(seen.landmarks[0, 0]) for seen in looks if seen] == exits
    assert reader.asked == 5


# Sheets


def test_private_sheets_stay_out_of_repositories(tmp_path: Path) -> None:
    check_private(tmp_path / "sheets")
    (tmp_path / ".git").mkdir()
    with pytest.raises(InputError, match="inside the repository"):
        check_private(tmp_path / "some" / "sheets")


def test_sliders_are_named() -> None:
    assert label(Controls(yaw=-20, smile=1)) == "yaw -20°, smile 100%"
    assert len({label(controls) for controls in SLIDERS}) == len(SLIDERS)
    assert headings([0.114, 0.3]) == ["exit 1 (11 %)", "exit 2 (30 %)", "full depth"]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model with random weights; promises nothing below 0.1."""
    model = tiny_faces.random_model()
    recipe = Recipe(tiny_faces.GENERATOR, tiny_faces.EXITS, tiny_faces.GUIDES)
    calibration = Calibration(0.9, 0.9, 10, (0.1,), (0.5,), {"self": 5, "cross": 5})
    config = replace(untrained("faces", recipe), costs=count(model), calibration=calibration)
    folder = tmp_path_factory.mktemp("faces-checkpoint")
    save_checkpoint(folder, model, config)
    return folder


def london(root: Path) -> FaceFolder:
    """Prepared data of the two persons who may be shown."""
    names = sorted(path.stem for path in PICTURES.glob("*.jpg"))
    images = [read_frame(PICTURES / f"{name}.jpg") for name in names]
    landmarker = FaceReader(FaceIdentity()).landmarker
    faces = [read_face(landmarker, image) for image in images]
    root.mkdir()
    np.save(root / "images.npy", np.stack([np.asarray(image) for image in images]))
    np.save(root / "landmarks.npy", np.stack([face[0] for face in faces if face]))
    np.save(root / "expressions.npy", np.stack([face[1] for face in faces if face]))
    people = [name.rpartition("_") for name in names]
    rows = [
        {"person": p, "group": f"{p}/{shot}", "source": "london", "split": "test", "found": True}
        for p, _, shot in people
    ]
    (root / "frames.json").write_text(json.dumps(rows))
    return FaceFolder(root)


def test_sheets_show_the_persons_who_agreed(checkpoint: Path, tmp_path: Path) -> None:
    shown = ShownPersons(checkpoint, london(tmp_path / "data"), [0.1, 0.2, 0.3])
    shown.draw(tmp_path, MeshWarp(border=True))
    with Image.open(tmp_path / OWN_SHEET) as own, Image.open(tmp_path / CROSS_SHEET) as cross:
        columns = 3 + 4
        assert own.width > columns * 170
        # Two persons, then every slider.
        assert cross.height > (2 + len(SLIDERS)) * 170
    assert not (tmp_path / HARD_SHEET).exists(), "nobody was filmed"


def test_hard_motions_are_found_in_clips_and_drawn_as_lines(
    checkpoint: Path, tmp_path: Path
) -> None:
    root = tmp_path / "films"
    data = write_faces(root, {"test": 2})
    shown = ShownPersons(checkpoint, london(tmp_path / "data"), [0.1, 0.2, 0.3])
    sources = [(shown._picture(frame), shown._read(frame)) for frame in shown.neutral]
    columns = hard_sheet.columns(shown.pipeline, sources, data)
    assert len(columns) == 1 + 3 * len(hard_sheet.KINDS)
    assert {len(pictures) for pictures in columns.values()} == {2}
    drawn = np.asarray(columns["mouth, clip"][0])
    assert (drawn == 240).mean() > 0.8, "lines on an empty ground"
    assert (drawn < 100).any()


@pytest.mark.parametrize("kind", hard_sheet.KINDS, ids=lambda kind: kind.name)
def test_the_best_frame_of_a_film_shows_the_motion(kind: hard_sheet.Hard, tmp_path: Path) -> None:
    data = write_faces(tmp_path / "films", {"test": 2})
    best = [kind.shown(filmed.motion, filmed.rest) for filmed in hard_sheet.clips_of(kind, data)]
    assert best == sorted(best, reverse=True)
    every = [kind.shown(m, rest) for _, motions, rest in hard_sheet.films(data) for m in motions]
    assert best[0] == max(every)


def test_without_such_persons_there_is_no_sheet(
    checkpoint: Path, data: FaceFolder, tmp_path: Path
) -> None:
    (tmp_path / OWN_SHEET).touch()
    ShownPersons(checkpoint, data, [0.1, 0.2, 0.3]).draw(tmp_path, MeshWarp())
    assert not list(tmp_path.iterdir())


# The command


@pytest.fixture(scope="module")
def evaluated(checkpoint: Path, data: FaceFolder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint folder after ``evaluate``, with a README beside it."""
    pytest.importorskip("matplotlib")
    readme = tmp_path_factory.mktemp("readme") / "README.md"
    readme.write_text("\n".join(markers(checkpoint.resolve().name)))
    private = tmp_path_factory.mktemp("private")
    words = ["evaluate", checkpoint, "--data", data.root, "--judge", JUDGE, "--readme", readme]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluate_faces, "PAIRS", 6)
        patch.setattr(evaluate_faces, "CHOICE_PAIRS", 2)
        patch.setattr(evaluate_faces, "MOUTH_PAIRS", 1)
        patch.setattr("fiancee_hub.families.faces.judging.pairs.MOUTH_CHANGE", 0.05)
        patch.setattr("fiancee_hub.families.faces.training.task.CALIBRATED", 4)
        patch.setattr(evaluate, "THREADS", 1)
        quick = functools.partial(exit_milliseconds, rounds=1)
        patch.setattr(evaluate, "exit_milliseconds", quick)
        assert main([str(word) for word in [*words, "--private-sheets", private]]) == 0
    (checkpoint / "readme.md").write_text(readme.read_text())
    assert len(list(private.iterdir())) == 3
    return checkpoint


@pytest.fixture(scope="module")
def written(evaluated: Path) -> Figures:
    figures: Figures = json.loads((evaluated / "evaluation.json").read_text())
    return figures


def test_what_is_shared_with_other_families_is_there(written: Figures) -> None:
    assert (written["format"], written["split"], written["n"]) == (1, "test", 12)
    assert [row["exit"] for row in written["exits"]] == [1, 2, 3]
    assert written["size"] == [64, 64]
    assert [(kind["split"], kind["n"]) for kind in written["other_inputs"]] == [
        ("self", 6),
        ("cross", 6),
        ("controls", 6),
    ]
    shares = written["budgets"][0]["exit_shares"]
    assert shares == [0, 0, 0, 1]


def test_reading_the_source_counts_in_cost_and_full_depth(written: Figures) -> None:
    source, full = written["source"], written["full_depth"]["macs"]
    assert source["full_depth"]["macs"] == full + source["macs"]
    assert source["macs_ratio"] == pytest.approx(source["macs"] / full)
    for row, anew in zip(written["exits"], source["exits"], strict=True):
        macs = row["macs_ratio"] * full + source["macs"]
        assert anew["macs_ratio"] == pytest.approx(macs / source["full_depth"]["macs"])
    for row, anew in zip(written["budgets"], source["budgets"], strict=True):
        macs = row["mean_macs_ratio"] * full + source["macs"]
        assert anew["mean_macs_ratio"] == pytest.approx(macs / source["full_depth"]["macs"])


def test_self_and_cross_have_their_baselines(written: Figures) -> None:
    quality = written["full_depth_quality"]
    own, cross = quality["self"], quality["cross"]
    for name in ("full_depth", "mesh_warp", "copied_source"):
        assert own[name]["all"]["n"] == 6
        assert own[name]["most_motion"]["n"] == 2
        assert own[name]["all"]["lpips"] > 0
        assert 0 < own[name]["all"]["l1"] < 1
        assert cross[name]["n"] == 6
    # The source is a stored frame: its face was found beforehand.
    assert own["copied_source"]["all"]["landmark_error"] > 0
    assert own["copied_source"]["all"]["identity"] == pytest.approx(1, abs=1e-4)
    assert cross["copied_source"]["identity"] == pytest.approx(1, abs=1e-4)
    low, high = own["lpips_ratio_to_mesh_warp"]["all"]["interval"]
    assert low <= own["lpips_ratio_to_mesh_warp"]["all"]["ratio"] <= high
    assert quality["mesh_warp_choice"].keys() == VARIANTS.keys()


def test_hard_places_are_those_of_every_exit_and_the_mesh_warp(written: Figures) -> None:
    places = written["hard_places"]
    assert places["mouth"]["n"] == places["mouth"]["persons"] == 3
    for place in places.values():
        assert place["n"] > 0
        assert [row["exit"] for row in place["exits"]] == [1, 2, 3]
        for row in (place["full_depth"], *place["exits"]):
            low, high = row["ratio_to_mesh_warp"]["interval"]
            assert low <= row["ratio_to_mesh_warp"]["ratio"] <= high
            assert row["lpips"] > 0


def test_at_full_depth_the_delivered_pictures_are_full_depths(written: Figures) -> None:
    # Below the calibrated budget of 0.1 nothing was promised: full depth only.
    delivered, quality = written["delivered_quality"][0], written["full_depth_quality"]
    assert delivered["self"] == quality["self"]["full_depth"]
    assert delivered["cross"] == quality["cross"]["full_depth"]
    assert CALIBRATED[0] < 0.1


def test_the_card_and_the_readme_say_what_the_figures_say(
    evaluated: Path, written: Figures
) -> None:
    card = ModelCard.load(evaluated / "README.md")
    readme = (evaluated / "readme.md").read_text()
    tables = face_tables.own(written), face_tables.hard_places(written), face_tables.cross(written)
    for table in tables:
        assert table in card.text
        assert table in readme
    for left_open in ("{", "}", "None", "nan"):
        assert left_open not in card.text
    assert "Only with faces of people who agreed" in card.text
    assert "pairs like its 10* (self: 5, cross: 5)" in card.text


def test_the_spread_is_checked_on_the_calibration_pairs(written: Figures) -> None:
    rows = written["reliability"]
    assert [row["exit"] for row in rows] == [1, 2, 3]
    assert sum(part["n"] for part in rows[0]["bins"]) == 12
    assert "validity" not in written  # an older calibration says not where its margins began


def test_streets_data_cannot_judge_faces(checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"frames\.json"):
        evaluate_faces.evaluate_faces(checkpoint, FaceFolder(tmp_path), JUDGE)


def test_the_second_test_is_on_the_same_inputs_of_all_kinds(
    evaluated: Path, written: Figures, data: FaceFolder, tmp_path: Path
) -> None:
    folder = shutil.copytree(evaluated, tmp_path / "faces")
    words = ["evaluate", folder, "--data", data.root, "--backend", "eager", "--dtype", "bfloat16"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluate_faces, "PAIRS", 6)
        assert main([str(word) for word in words]) == 0
    (test,) = json.loads((folder / "evaluation.json").read_text())["backends"]
    assert test["n"] == sum(kind["n"] for kind in written["other_inputs"])
    branches = [row["lpips_mean"] for row in written["exits"]]
    assert test["lpips"] == pytest.approx([*branches, 0], abs=0.02)
