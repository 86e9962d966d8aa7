"""The code for this: the lines that the page shows make the picture that it shows."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from visitor_pictures import group_photo

from fiancee_hub.families.faces.controls import CONTROLS
from fiancee_hub.families.faces.pipeline import FacesPipeline
from fiancee_hub.families.label_maps.pipeline import StreetsPipeline
from space.faces import persons
from space.faces.events import Handlers as FaceHandlers
from space.faces.wish import PICTURE, RELATIVE, SLIDERS
from space.label_maps.events import Handlers as MapHandlers
from space.page.tabs import Tab
from space.result import code
from space.result.record import Record
from space.settings import ROOT

Run = Callable[[str], Image.Image]


@pytest.fixture
def run(
    small_streets: Path, tiny_face_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Run:
    """Runs lines in a folder with both checkpoints and the project's examples; their picture."""
    monkeypatch.chdir(tmp_path)
    for link, target in (
        (small_streets.name, small_streets),
        (tiny_face_checkpoint.name, tiny_face_checkpoint),
        ("space", ROOT / "space"),
    ):
        (tmp_path / link).symlink_to(target)

    def picture(lines: str) -> Image.Image:
        exec(compile(lines, "copied", "exec"), {})
        with Image.open("picture.png") as made:
            return made.convert("RGB")

    return picture


def same(first: Image.Image, second: Image.Image) -> bool:
    return np.array_equal(np.asarray(first), np.asarray(second))


def tab(name: str) -> Tab:
    return Tab(name, name.capitalize(), opened=lambda *_, **__: None)


def last(updates: Any) -> Record:
    record = list(updates)[-1]["record"]
    assert isinstance(record, Record)
    return record


def test_the_lines_make_the_picture_of_a_drawing(pipe: StreetsPipeline, run: Run) -> None:
    random = np.random.default_rng(0)
    ids = np.array([entry.id for entry in pipe.config.classes], np.uint8)
    drawing = np.kron(random.choice(ids, (6, 8)), np.ones((16, 16), np.uint8))
    record = last(MapHandlers(tab("streets"), pipe).run(drawing, 0.1, 7))
    made = run(record.code)
    assert same(made, record.early.result.image)
    other = next(index for index in record.pictures if index != record.chosen)
    by_hand = record.showing(other)
    assert f"exit={other})" in by_hand.code
    assert same(run(by_hand.code), by_hand.early.result.image)
    assert not same(made, by_hand.early.result.image)


def values(
    person: persons.Person, mode: str, driver: persons.Driver | None, **moved: float
) -> list[Any]:
    """The screen's inputs."""
    sliders = [moved.get(control.name, 0.0) for control in CONTROLS]
    return [person, driver, None, False, mode, RELATIVE, 0.1, *sliders]


def test_the_lines_move_an_example_by_sliders(face_pipe: FacesPipeline, run: Run) -> None:
    handlers = FaceHandlers(tab("faces"), face_pipe)
    person = handlers._example(2)["person"]
    record = last(handlers.generate(*values(person, SLIDERS, None, yaw=12, smile=0.4)))
    assert same(run(record.code), record.early.result.image)
    moved = persons.move(face_pipe, person, 1.1, 0.02, 0.0)
    record = last(handlers.generate(*values(moved, SLIDERS, None, yaw=12)))
    assert "box=" in record.code
    assert same(run(record.code), record.early.result.image)


def test_the_lines_drive_an_example_by_another(face_pipe: FacesPipeline, run: Run) -> None:
    handlers = FaceHandlers(tab("faces"), face_pipe)
    person, driver = handlers._example(0)["person"], handlers._driven_by(3)["driver"]
    record = last(handlers.generate(*values(person, PICTURE, driver)))
    assert "reference=" in record.code
    assert same(run(record.code), record.early.result.image)


def test_a_visitors_own_photo_is_a_name_to_replace(face_pipe: FacesPipeline) -> None:
    upload = persons.read(face_pipe, group_photo())
    person = persons.person(face_pipe, upload, 1)
    handlers = FaceHandlers(tab("faces"), face_pipe)
    record = last(handlers.generate(*values(person, SLIDERS, None, yaw=5)))
    assert 'pipe.encode("your-photo.jpg", face=1)' in record.code


def test_a_picture_that_follows_the_hand_has_no_lines_yet(pipe: StreetsPipeline) -> None:
    rendering = pipe.prepare(np.zeros(pipe.size, np.uint8))
    assert Record.begin(rendering, 0.1).code == code.WAITING


def test_no_folder_of_the_server_is_shown(tmp_path: Path) -> None:
    assert code.path_of(ROOT / "weights_card" / "streets") == "weights_card/streets"
    assert code.path_of(tmp_path / "mine") == "mine"
