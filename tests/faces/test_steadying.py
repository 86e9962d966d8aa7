"""Clips that do not flicker: smoothed motion, and exits that do not toggle."""

from collections.abc import Sequence
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_faces
from face_data import JAW_OPEN, draw_face, motion
from PIL import Image
from torch.nn import functional as F

from fiancee_hub.core.errors import InputError
from fiancee_hub.core.recipe import Recipe
from fiancee_hub.core.router import Calibration, Forecast
from fiancee_hub.families.faces.films import write_clip
from fiancee_hub.families.faces.landmarks.motion import Motion, crown_of, head_of, motion_of
from fiancee_hub.families.faces.landmarks.pose import project
from fiancee_hub.families.faces.photos import FaceCrop, Photo
from fiancee_hub.families.faces.pipeline import FacesPipeline, Source
from fiancee_hub.families.faces.steadying import HELD, ExitHold, OneEuro, steadied
from fiancee_hub.hub.config import untrained


def smoothed(motions: Sequence[Motion | None], fps: float = 25) -> list[Any]:
    return [found for found, _ in steadied([(m, "" if m else "lost") for m in motions], fps)]


def noisy(count: int) -> list[Motion]:
    random = np.random.default_rng(0)
    seen = motion((8, -3, 2), jaw=0.3)
    points = project(seen.canonical, seen.pose)
    return [
        motion_of(
            (points + random.normal(0, 0.4, points.shape)).astype(np.float32),
            (seen.expression + random.normal(0, 0.02, 52)).astype(np.float32),
        )
        for _ in range(count)
    ]


def test_the_first_value_and_what_stands_still_are_kept() -> None:
    smooth, values = OneEuro(25), np.array([1.0, -2.0])
    for _ in range(5):
        np.testing.assert_allclose(smooth(values), values)
    still = motion((10, 0, 0), jaw=0.5)
    for found in smoothed([still] * 4):
        np.testing.assert_allclose(found.canonical, still.canonical, atol=1e-5)
        np.testing.assert_allclose(found.pose.rotation, still.pose.rotation, atol=1e-5)
        np.testing.assert_allclose(found.pose.translation, still.pose.translation, atol=1e-3)
        np.testing.assert_allclose(found.expression, still.expression, atol=1e-6)
        assert found.pose.scale == pytest.approx(still.pose.scale)


def test_jitter_shrinks() -> None:
    before = noisy(60)
    after = smoothed(list(before))
    for part in ("canonical", "expression", "pose.translation", "pose.rotation"):
        read = attrgetter(part)
        raw, calm = (np.stack([read(m) for m in motions[10:]]) for motions in (before, after))
        assert np.diff(calm, axis=0).std() < 0.45 * np.diff(raw, axis=0).std()
    for found in after:
        turn = found.pose.rotation
        np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-5)
        assert np.linalg.det(turn) == pytest.approx(1, abs=1e-5)


def test_what_moves_fast_is_followed_at_once() -> None:
    clip = [motion(jaw=0.0)] * 10 + [motion(jaw=1.0)] * 4
    opened = [found.expression[JAW_OPEN] for found in smoothed(list(clip))]
    assert opened[9] == pytest.approx(0, abs=1e-6)
    assert opened[10] > 0.5
    assert opened[11] > 0.85
    turned = smoothed([motion()] * 5 + [motion((20, 0, 0))] * 4)
    assert turned[7].pose.euler_deg()[0] == pytest.approx(20, abs=2.5)


def test_after_a_lost_face_it_begins_anew() -> None:
    lost: list[Motion | None] = [motion(jaw=0.0), None, motion(jaw=0.1)]
    _, none, last = smoothed(lost)
    assert none is None
    assert last.expression[JAW_OPEN] == pytest.approx(0.1)


# Exits


def forecast(*mean: float, calibration: Calibration | None = None) -> Forecast:
    return Forecast(np.array([mean]), np.full((1, len(mean)), 0.01), calibration)


def test_an_exit_keeps_the_budget_by_the_router_s_rule() -> None:
    calibration = Calibration(0.9, 0.9, 10, (0.1,), (2.0,), {})
    seen = forecast(0.11, 0.07, 0.085, calibration=calibration)
    assert seen.route(0.1) == 2
    assert [seen.keeps(0.1, index) for index in range(1, 5)] == [False, True, False, True]
    assert not seen.keeps(0.05, 2)  # below the calibrated budgets only full depth is safe
    assert forecast(0.04, 0.06).keeps(0.05, 1)


def test_exits_do_not_toggle() -> None:
    hold = ExitHold()
    easy, hard = forecast(0.09, 0.05), forecast(0.11, 0.06)
    clip = [easy, hard, easy, hard, easy, *[easy] * HELD]
    taken = [hold.choose(seen, 0.1) for seen in clip]
    assert taken == [1, 2, 2, 2, *[2] * (HELD - 1), 1, 1]
    assert [seen.route(0.1) for seen in clip[:5]] == [1, 2, 1, 2, 1]


def test_an_exit_that_no_longer_keeps_the_budget_is_left() -> None:
    hold = ExitHold()
    assert hold.choose(forecast(0.2, 0.08), 0.1) == 2
    # The deeper branch is the worse one here.
    assert hold.choose(forecast(0.08, 0.12), 0.1) == 1
    assert hold.choose(forecast(0.2, 0.2), 0.1) == 3


@pytest.fixture(scope="module")
def pipe() -> FacesPipeline:
    model = tiny_faces.random_model()
    recipe = Recipe(tiny_faces.GENERATOR, tiny_faces.EXITS, tiny_faces.GUIDES)
    return FacesPipeline(model, untrained("faces", recipe))


def test_a_clip_with_a_rate_is_steadied(
    pipe: FacesPipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = motion()
    crop = draw_face(head, 1)
    shown: list[Motion] = []
    monkeypatch.setattr(pipe, "prepare", _noting(pipe, shown))
    source = _source(pipe, head, crop)
    frames = noisy(6)
    for fps, calmer in ((None, False), (25.0, True)):
        shown.clear()
        made = list(pipe.animate(source=source, frames=frames, budget=0.9, fps=fps))
        assert [frame.index for frame in made] == list(range(6))
        alike = all(a is b for a, b in zip(shown, frames, strict=True))
        assert alike != calmer
    with pytest.raises(InputError, match="up to 60"):
        list(pipe.animate(source=source, frames=frames, fps=0))


def test_a_clip_that_is_read_here_says_its_own_rate(
    pipe: FacesPipeline, monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    head = motion()
    crop = draw_face(head, 1)
    source, frames, rates = _source(pipe, head, crop), noisy(4), []
    pictures = [Image.new("L", (64, 64), 40 * index) for index in range(4)]
    write_clip(pictures, 10, tmp_path / "clip.gif")
    found = iter([(frame, "") for frame in frames])
    monkeypatch.setattr(pipe, "motions", lambda given, face: found)

    def noted(motions: Any, fps: float) -> Any:
        rates.append(fps)
        return motions

    monkeypatch.setattr("fiancee_hub.families.faces.pipeline.steadied", noted)
    clip = tmp_path / "clip.gif"
    made = list(pipe.animate(source=source, frames=clip, exit=1, progress=True))
    assert [frame.index for frame in made] == [0, 1, 2, 3]
    assert rates == [10]
    assert "4/4" in capsys.readouterr().err
    assert list(pipe.animate(source=source, frames=clip.read_bytes(), exit=1, fps=5)) == []
    assert rates == [10, 5]
    assert capsys.readouterr().err == ""


def _noting(pipe: FacesPipeline, shown: list[Motion]) -> Any:
    prepare = pipe.prepare

    def note(**arguments: Any) -> Any:
        shown.append(arguments["driver"])
        return prepare(**arguments)

    return note


def _source(pipe: FacesPipeline, head: Motion, crop: Image.Image) -> Source:
    crown = crown_of(head.canonical)
    seen = head_of(head, crown, 256)
    cut = FaceCrop(crop, (0, 0, 256, 256), project(head.canonical, head.pose))
    picture = pipe._as_input(crop)
    small = F.interpolate(seen.map.float(), scale_factor=0.25).byte()
    seen = seen._replace(map=small)
    appearance = pipe.trunk.encode(picture, seen)
    return Source(Photo(crop), cut, head, crown, seen, appearance, 1.0, ())
