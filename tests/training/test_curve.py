"""The loop's book: the curve, what a judge says, and the best state."""

import json
import threading
from dataclasses import replace
from itertools import chain, pairwise, repeat
from pathlib import Path

import pytest
import torch
from PIL import Image

from fiancee_hub.training import loop
from fiancee_hub.training.curve import Curve
from fiancee_hub.training.state import load_state

accelerate = pytest.importorskip("accelerate")


class Counting:
    """Counts its steps, and says so in its state and its loss."""

    def __init__(self) -> None:
        self.count = 0

    def step(self, progress: float) -> loop.Losses:
        self.count += 1
        return {"loss": torch.tensor(1.0 / self.count)}

    def state(self) -> dict[str, int]:
        return {"count": self.count}

    def restore(self, state: dict[str, int]) -> None:
        self.count = state["count"]

    def samples(self) -> Image.Image:
        return Image.new("L", (1, 1))


class Clock:
    """One second a look."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        self.now += 1
        return self.now


@pytest.fixture(autouse=True)
def _clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "time", Clock())


def trained(
    folder: Path, minutes: float, judging: loop.Judging | None = None, report_every: int = 10
) -> Counting:
    phase = Counting()
    schedule = loop.Schedule(
        minutes, batch_size=2, report_every=report_every, judging=judging, earlier_images=100
    )
    loop.run(phase, folder, schedule, accelerate.Accelerator(cpu=True))
    return phase


def test_slow_steps_are_reported_by_the_clock(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A second a step: after ten seconds, then every minute."""
    with caplog.at_level("INFO", "fiancee_hub.training.loop"):
        trained(tmp_path, 3.0, report_every=1000)
    lines = [record.getMessage() for record in caplog.records]
    assert lines[0].startswith("training for 3.0 minutes in all, 2 images a step, on cpu")
    steps = [int(line.split()[1]) for line in lines if line.startswith("step ")]
    assert 9 <= steps[0] <= 12
    assert len(steps) == 3
    assert all(58 <= b - a <= 62 for a, b in pairwise(steps))


def test_a_first_step_that_takes_long_is_spoken_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told, counted = threading.Event(), Counting.step

    def note(text: str, *_: object) -> None:
        if "the first step" in text:
            told.set()

    def long(phase: Counting, progress: float) -> loop.Losses:
        assert told.wait(20)
        return counted(phase, progress)

    monkeypatch.setattr(loop, "PATIENCE", 0.0)
    monkeypatch.setattr(loop.logger, "info", note)
    monkeypatch.setattr(Counting, "step", long)
    assert trained(tmp_path, 0.1).count > 0


class Watching(Counting):
    """Notes what it is told of its progress."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[float] = []

    def step(self, progress: float) -> loop.Losses:
        self.seen.append(progress)
        return super().step(progress)


def test_a_number_of_images_ends_the_training_and_is_what_progress_counts(tmp_path: Path) -> None:
    schedule = loop.Schedule(1.0, batch_size=2, report_every=10, images=50)
    phase, accelerator = Watching(), accelerate.Accelerator(cpu=True)
    facts = loop.run(phase, tmp_path, schedule, accelerator)
    assert (facts["images"], facts["steps"]) == (50, 25)
    assert phase.seen == pytest.approx([step / 25 for step in range(25)])
    again = loop.run(phase, tmp_path, schedule, accelerator)
    assert (again["images"], len(phase.seen)) == (50, 25)
    facts = loop.run(phase, tmp_path, replace(schedule, images=1000), accelerator)
    assert 50 < facts["images"] < 130  # a minute of a second a step
    assert phase.seen[25] == pytest.approx(0.05)


def test_losses_stand_against_images_earlier_ones_included(tmp_path: Path) -> None:
    trained(tmp_path, 0.6)
    points = json.loads((tmp_path / "curve.json").read_text())
    assert [point["images"] for point in points] == [120, 140, 160]
    assert points[0]["losses"]["loss"] == pytest.approx(sum(1 / n for n in range(1, 11)) / 10)
    with Image.open(tmp_path / "curve.png") as picture:
        assert picture.size[0] > 500


def test_the_best_state_is_what_the_judge_liked_best(tmp_path: Path) -> None:
    verdicts = chain([3.0, 1.0, 2.0], repeat(5.0))

    def judge() -> dict[str, float]:
        return {"towns": 9.0, loop.OVERALL: next(verdicts)}

    trained(tmp_path, 1.0, loop.Judging(0.2, judge))
    best, last = (load_state(tmp_path / name) for name in (loop.BEST, loop.STATE))
    assert best["judged"] == 1.0
    assert best["phase"]["count"] < last["phase"]["count"]
    judged = [
        point for point in json.loads((tmp_path / "curve.json").read_text()) if "judge" in point
    ]
    assert judged[1]["images"] == 100 + best["images"]
    assert judged[1]["judge"] == {"towns": 9.0, loop.OVERALL: 1.0}
    assert judged[-1]["images"] == 100 + last["images"]


def test_a_resumed_run_keeps_the_best_state_of_before(tmp_path: Path) -> None:
    trained(tmp_path, 0.5, loop.Judging(0.2, lambda: {loop.OVERALL: 1.0}))
    before = load_state(tmp_path / loop.BEST)
    trained(tmp_path, 1.0, loop.Judging(0.2, lambda: {loop.OVERALL: 2.0}))
    assert load_state(tmp_path / loop.BEST) == before
    images = [point["images"] for point in json.loads((tmp_path / "curve.json").read_text())]
    assert images == sorted(images)


def test_without_a_judge_there_is_no_best_state(tmp_path: Path) -> None:
    trained(tmp_path, 0.5)
    assert not (tmp_path / loop.BEST).exists()


def test_points_of_lost_steps_are_dropped(tmp_path: Path) -> None:
    curve = Curve(tmp_path, 0)
    for images in (10, 20, 30):
        curve.add(images, images / 10, losses={"a": 1.0})
    curve.save()
    assert [point["images"] for point in Curve(tmp_path, 20).points] == [10, 20]
