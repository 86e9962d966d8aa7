"""Where no warp can be right: masks of made heads, crops, and LPIPS inside them."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from face_data import motion, write_faces
from torch import Tensor

from fiancee_hub.core.perceptual import PerceptualDistance
from fiancee_hub.core.pixels import as_bytes
from fiancee_hub.families.faces.crops import box, crop, crops
from fiancee_hub.families.faces.heads import Head
from fiancee_hub.families.faces.judging import pairs as judged_pairs
from fiancee_hub.families.faces.judging import tables
from fiancee_hub.families.faces.judging.hard_places import (
    masked_distance,
    mouth_distance,
    mouth_figures,
    revealed_figures,
)
from fiancee_hub.families.faces.judging.pairs import FramePair, mouth_pairs
from fiancee_hub.families.faces.judging.quality import Shown
from fiancee_hub.families.faces.landmarks.motion import crown_of, head_of
from fiancee_hub.families.faces.training.pairs import Frame
from fiancee_hub.families.faces.visibility import (
    hidden,
    opened,
    openness,
    rasterise,
    revealed,
    stretched,
)
from fiancee_hub.families.faces.warps import area_ratio, identity_grid
from fiancee_hub.measuring.measure import Measurement, Trial


def head(yaw: float = 0, *, jaw: float = 0, pitch: float = 0) -> Head:
    seen = motion((yaw, pitch, 0), jaw=jaw)
    return head_of(seen, crown_of(seen.canonical), 256)


def flow_of(turn: Tensor) -> Tensor:
    """The flow of a linear map (2, 2) of the target to the source."""
    grid = identity_grid(16, 16, turn)
    return (grid @ turn.T - grid).permute(2, 0, 1)[None]


@pytest.mark.parametrize(
    ("turn", "area"),
    [
        ([[1.0, 0.0], [0.0, 1.0]], 1.0),
        ([[0.6, 0.0], [0.0, 0.5]], 0.3),
        ([[0.8, 0.0], [0.0, 0.8]], 0.64),
        ([[-1.0, 0.0], [0.0, 1.0]], -1.0),
        ([[0.0, -1.2], [1.2, 0.0]], 1.44),
    ],
)
def test_the_jacobian_of_a_linear_map_is_its_determinant(
    turn: list[list[float]], area: float
) -> None:
    flow = flow_of(torch.tensor(turn))
    torch.testing.assert_close(area_ratio(flow), torch.full((1, 1, 16, 16), area))
    assert stretched(flow).unique().tolist() == [float(area < 0.5)]


def test_the_mesh_is_drawn_where_its_landmarks_are() -> None:
    frontal = head()
    surface = rasterise(frontal.points, 64)
    points = frontal.points[0, :468]
    cells = ((points[:, :2] + 1) * 32).long()
    found = surface.depth[0, cells[:, 1], cells[:, 0]]
    near = (found - points[:, 2]).abs() < 0.05
    assert near.float().mean() > 0.9
    drawn = surface.triangle[0] >= 0
    assert 0.1 < drawn.float().mean() < 0.5
    weights = surface.weights[0][drawn]
    assert weights.min() >= 0
    torch.testing.assert_close(weights.sum(-1), torch.ones(len(weights)))


def test_a_head_hides_nothing_from_itself_and_a_cheek_from_the_other_side() -> None:
    frontal, left, right = head(), head(-60), head(60)
    assert hidden(frontal, frontal).sum() == 0
    assert hidden(left, left).mean() < 0.001
    shown_left, shown_right = hidden(left, frontal)[0, 0], hidden(right, frontal)[0, 0]
    # The face turned to the right edge shows its cheek at the left of the image.
    assert shown_right[:, 32:].sum() > 40
    assert shown_right[:, 32:].sum() > 4 * shown_right[:, :32].sum()
    assert shown_left[:, :32].sum() > 4 * shown_left[:, 32:].sum()
    assert hidden(frontal, right).sum() < 0.2 * shown_right.sum()


def test_what_comes_into_view_grows_with_the_turn() -> None:
    shares = [float(revealed(head(yaw), head()).mean()) for yaw in (0, 20, 50)]
    assert shares[0] == 0
    assert shares[0] < shares[1] < shares[2]


def test_a_mouth_is_unknown_as_far_as_it_opens() -> None:
    shut, half, wide = head(jaw=0.1), head(jaw=0.5), head(jaw=1)
    assert opened(wide, half).sum() == 0
    assert opened(half, half).sum() == 0
    whole = opened(shut, wide)
    assert 0 < opened(half, wide).sum() < whole.sum()
    gaps = [float(openness(h.points)) for h in (shut, wide)]
    assert float(whole.max()) == pytest.approx(1 - gaps[0] / gaps[1], abs=0.02)
    inside = whole[0, 0].nonzero().float().mean(0)
    lips = (wide.points[0, [13, 14], :2].mean(0) + 1) * 32
    torch.testing.assert_close(inside.flip(0), lips, atol=1.5, rtol=0)


def test_crops_hold_their_part() -> None:
    wide = head(jaw=1)
    points = wide.points
    columns = torch.linspace(-1, 1, 257)[:-1] + 1 / 256
    ramp = columns.expand(1, 3, 256, 256)
    middle, half = box(points, "mouth")
    cut = crop(ramp, points, "mouth", 32)
    assert cut.shape == (1, 3, 32, 32)
    assert float(cut.mean()) == pytest.approx(float(middle[0, 0]), abs=0.01)
    assert float(cut[..., -1].mean() - cut[..., 0].mean()) == pytest.approx(
        2 * float(half) * 31 / 32, abs=0.01
    )
    assert crops(ramp.expand(2, -1, -1, -1), points.expand(2, -1, -1), 16).shape == (6, 3, 16, 16)


@pytest.fixture(scope="module")
def lpips() -> PerceptualDistance:
    return PerceptualDistance()


def noisy(seed: int = 0) -> Tensor:
    return torch.rand(1, 3, 256, 256, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def test_within_everything_it_is_lpips(lpips: PerceptualDistance) -> None:
    first, second = noisy(), noisy(1)
    found = masked_distance(lpips, first, second, torch.ones(1, 1, 64, 64))
    torch.testing.assert_close(found, lpips(first, second), rtol=1e-4, atol=0)


def test_what_differs_elsewhere_does_not_count(lpips: PerceptualDistance) -> None:
    first, changed = noisy(), noisy()
    changed[..., 192:] = 1
    left, right = torch.zeros(2, 1, 1, 64, 64)
    left[..., :16], right[..., 52:] = 1, 1
    assert float(masked_distance(lpips, changed, first, left)) < 1e-6
    everywhere = float(lpips(changed, first))
    assert float(masked_distance(lpips, changed, first, right)) > 2 * everywhere
    assert float(masked_distance(lpips, changed, first, torch.zeros(1, 1, 64, 64))) == 0


def test_only_the_mouth_counts_inside_its_box(lpips: PerceptualDistance) -> None:
    wide = head(jaw=1)
    first, below = noisy(), noisy()
    below[:, :, 225:] = 1
    assert float(mouth_distance(lpips, below, first, wide.points)) == 0
    (middle,), (half,) = box(wide.points, "mouth")
    x, y = ((middle + 1) * 128).long().tolist()
    reach = int(half * 64)
    inside = noisy()
    inside[:, :, y - reach : y + reach, x - reach : x + reach] = 1
    assert float(mouth_distance(lpips, inside, first, wide.points)) > 0.1


def made(count: int, images: list[Tensor], source: Head, target: Head) -> Shown:
    """Self pairs of as many persons, all of them noise."""
    frames = [Frame(index, str(index), "g", "clip", "test") for index in range(count)]
    nothing = Measurement(*(np.zeros((count, len(images) - 2)) for _ in range(3)))
    truth = noisy().expand(count, -1, -1, -1)
    whole = [as_bytes(image.expand(count, -1, -1, -1)) for image in images]
    heads = [Head(*(part.expand(count, *part.shape[1:]) for part in h)) for h in (source, target)]
    return Shown(
        [FramePair(frame, frame) for frame in frames],
        as_bytes(truth),
        as_bytes(truth),
        whole[0],
        Trial(nothing, nothing, whole[1:]),
        np.zeros(count),
        *heads,
    )


def test_figures_by_hand(lpips: PerceptualDistance) -> None:
    source, target = head(jaw=0.1, pitch=0), head(40, jaw=1)
    # The warp is wrong all over; one branch is as wrong, full depth is right.
    shown = made(3, [noisy(1), noisy(1), noisy()], source, target)
    for figures in (mouth_figures(lpips, shown), revealed_figures(lpips, shown)):
        assert (figures["n"], figures["persons"]) == (3, 3)
        assert figures["full_depth"]["lpips"] == pytest.approx(0, abs=1e-6)
        assert figures["full_depth"]["ratio_to_mesh_warp"]["ratio"] == pytest.approx(0, abs=1e-6)
        (branch,) = figures["exits"]
        assert branch["ratio_to_mesh_warp"]["ratio"] == pytest.approx(1)
        assert branch["ratio_to_mesh_warp"]["interval"] == pytest.approx([1, 1])
        assert branch["lpips"] == pytest.approx(figures["mesh_warp"]["lpips"])
    share = float(revealed(source, target).mean())
    assert revealed_figures(lpips, shown)["mean_share"] == pytest.approx(share)


def test_pairs_in_which_nothing_comes_into_view_are_left_out(lpips: PerceptualDistance) -> None:
    figures = revealed_figures(lpips, made(2, [noisy(1), noisy(), noisy()], head(), head()))
    assert figures == {"n": 0, "persons": 0, "mean_share": None}


def test_mouth_pairs_open_or_shut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = write_faces(tmp_path / "data", {"test": 2}, frames=6)
    assert mouth_pairs(data, "test", 5, 0) == []  # drawn mouths do not open that far
    monkeypatch.setattr(judged_pairs, "MOUTH_CHANGE", 0.06)
    found = mouth_pairs(data, "test", 5, 0)
    assert found == mouth_pairs(data, "test", 5, 0)
    assert 0 < len(found) <= 10
    for pair in found:
        a, b = (
            float(openness(torch.from_numpy(data.motions[f.index].canonical)[None]))
            for f in (pair.source, pair.driver)
        )
        assert abs(a - b) > 0.06
        assert pair.source.group == pair.driver.group


def test_older_figures_have_no_such_table() -> None:
    figures: dict[str, Any] = {"exit_quality": [{"exit": 1}]}
    assert tables.hard_places(figures) == ""
    entry = {"lpips": 0.25, "ratio_to_mesh_warp": {"ratio": 0.5, "interval": [0.4, 0.6]}}
    place = {
        "n": 3, "mesh_warp": {"lpips": 0.5}, "full_depth": entry, "exits": [{"exit": 1, **entry}],
    }  # fmt: skip
    shown = tables.hard_places(figures | {"hard_places": {"mouth": place, "revealed": {"n": 0}}})
    assert "mouth: LPIPS" in shown and "comes into view" not in shown
    assert "| exit 1 | 0.250 | 0.50 (0.40 to 0.60) |" in shown


def test_some_pairs_keep_their_pictures() -> None:
    shown = made(3, [noisy(1), noisy(), noisy()], head(), head())
    some = replace(shown, motion=np.array([1.0, 2, 3])).some([2])
    assert [pair.source.person for pair in some.pairs] == ["2"]
    assert some.motion.tolist() == [3]
    assert [len(images) for images in some.trial.images] == [1, 1]
    assert len(some.source.points) == len(some.target.map) == len(some.warped) == 1
