"""The faces screen without a browser: photographs in memory, handlers, clips, endpoints."""

import base64
import io
import json
from asyncio import run
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import gradio as gr
import numpy as np
import pytest
from gradio.data_classes import FileData, ImageData
from gradio.utils import get_upload_folder
from PIL import Image
from visitor_pictures import group_photo

from fiancee_hub.core import pictures
from fiancee_hub.core.errors import InputError
from fiancee_hub.core.marking import DESCRIPTION, GENERATED, MARK
from fiancee_hub.families.faces.clips import RATE, Sound, read_clip, read_sound
from fiancee_hub.families.faces.controls import CONTROLS, Controls
from fiancee_hub.families.faces.films import write_clip
from fiancee_hub.families.faces.landmarks.landmarker import FaceLandmarker
from fiancee_hub.families.faces.pipeline import FacesPipeline
from fiancee_hub.results import Result
from space import demo
from space.faces import clips, persons
from space.faces import events as faces
from space.faces.events import Handlers
from space.faces.examples import examples as face_examples
from space.faces.persons import Person
from space.faces.wish import ABSOLUTE, CAMERA, CLIP, PICTURE, RELATIVE, SLIDERS, rendering
from space.page import components, errors, files
from space.page.components import PhotoInput
from space.page.files import GONE
from space.page.outputs import Outputs
from space.page.tabs import Tab
from space.result import facts
from space.result.record import Record
from space.settings import Settings

MISSING = "nowhere"
BUDGET = 0.1
TAB = Tab("faces", "Faces", opened=lambda *_, **__: None)


@pytest.fixture(scope="module")
def handlers(face_pipe: FacesPipeline) -> Handlers:
    return Handlers(TAB, face_pipe)


@pytest.fixture(scope="module")
def person(handlers: Handlers) -> Person:
    return cast(Person, handlers.opened()["person"])


@pytest.fixture(scope="module")
def group(face_pipe: FacesPipeline) -> Person:
    return persons.person(face_pipe, persons.read(face_pipe, group_photo()))


@pytest.fixture
def upload() -> Callable[[str, bytes], Path]:
    def put(name: str, content: bytes) -> Path:
        folder = Path(get_upload_folder()) / "test-faces"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
        return folder / name

    return put


def example(number: int) -> bytes:
    return face_examples()[number].path.read_bytes()


def no_face() -> bytes:
    noise = np.random.default_rng(0).integers(0, 256, (120, 120, 3), dtype=np.uint8)
    return files.encoded(Image.fromarray(noise))


def wish(person: Person | None, **changes: Any) -> list[Any]:
    """What the screen hands to a handler."""
    values: dict[str, Any] = {
        "person": person,
        "driver": None,
        "neutral": None,
        "whole": False,
        "mode": SLIDERS,
        "driving": RELATIVE,
        "budget": BUDGET,
        **dict.fromkeys((control.name for control in CONTROLS), 0.0),
        **changes,
    }
    return list(values.values())


def shown_photo(person: Person) -> Image.Image:
    return persons.drawn(person.upload, person.source.crop, person.chosen)


def opened(address: str) -> Image.Image:
    """The picture in a ``data:`` address."""
    return Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2])))


def same(first: Any, second: Any) -> bool:
    return bool(np.array_equal(np.asarray(first), np.asarray(second)))


# files


def test_a_marked_picture_says_that_it_is_generated() -> None:
    picture = Image.new("RGB", (8, 8))
    assert opened(files.picture_address(picture)).info[GENERATED] == MARK
    kinds: tuple[files.Kind, ...] = ("jpeg", "webp")
    for kind in kinds:
        saved = opened(files.picture_address(picture, kind))
        assert saved.getexif()[DESCRIPTION] == MARK
    assert GENERATED not in opened(files.picture_address(picture, marked=False)).info


def test_what_is_taken_is_gone(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(b"content")
    assert files.taken(path) == b"content"
    with pytest.raises(InputError, match="send it again"):
        files.taken(path)


def test_parts_take_uploads_into_memory(upload: Callable[[str, bytes], Path]) -> None:
    path = upload("photo.jpg", b"content")
    photo = components.PhotoInput()
    content: Any = photo.preprocess(ImageData(path=str(path)))
    assert content == b"content"
    assert not path.exists()
    assert photo.preprocess(None) is None
    shown = photo.postprocess("data:image/png;base64,AA")
    assert isinstance(shown, ImageData) and shown.path is None
    clip: Any = components.ClipInput("Clip").preprocess(FileData(path="clip.mp4"))
    assert clip == Path("clip.mp4")


# people


def test_examples_know_their_neutral_picture() -> None:
    examples = face_examples()
    assert [one.title for one in examples] == [
        "008, neutral",
        "008, smile",
        "107, neutral",
        "107, smile",
    ]
    assert examples[3].neutral == examples[2].path and examples[0].neutral == examples[0].path


def test_the_crop_is_drawn_and_one_face_has_no_number(person: Person) -> None:
    picture = shown_photo(person)
    assert picture.size == person.source.photo.image.size
    assert picture.getpixel((1, 100)) == persons.CHOSEN
    inside = (20, 20, 236, 236)
    assert same(picture.crop(inside), person.source.photo.image.crop(inside))


def test_several_faces_are_numbered_and_one_is_chosen(
    face_pipe: FacesPipeline, group: Person
) -> None:
    assert len(group.upload.faces) == 2 and group.chosen == 0
    other = persons.person(face_pipe, group.upload, 1)
    assert other.source.crop.box[0] > group.source.crop.box[2]
    assert not same(shown_photo(other), shown_photo(group))


@pytest.mark.parametrize(
    ("zoom", "right", "down", "box"),
    [
        (1, 0, 0, (10, 20, 110, 120)),
        (2, 0, 0, (35, 45, 85, 95)),
        (1, 0.1, -0.1, (20, 10, 120, 110)),
    ],
)
def test_the_crop_moves(zoom: float, right: float, down: float, box: tuple[int, ...]) -> None:
    assert persons.moved((10, 20, 110, 120), zoom, right, down) == box


def test_a_moved_crop_is_read_anew(face_pipe: FacesPipeline, group: Person) -> None:
    moved = persons.move(face_pipe, group, 0.9, 0.05, 0)
    assert moved.source.crop.box == persons.moved(group.source.crop.box, 0.9, 0.05, 0)
    with pytest.raises(InputError, match="cuts the face off"):
        persons.move(face_pipe, group, 1.4, 0.3, 0.3)


def test_a_huge_photograph_is_shrunk(
    face_pipe: FacesPipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(persons, "MOST_SIDE", 240)
    upload = persons.read(face_pipe, example(0))
    assert upload.photo.image.size == (240, 240)
    assert any("Shrunk" in note for note in persons.person(face_pipe, upload).source.notes)


# handlers


@pytest.fixture
def searches(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The widths of the pictures in which faces are looked for."""
    found: list[int] = []
    search = FaceLandmarker.__call__

    def counted(self: FaceLandmarker, picture: Image.Image, **options: Any) -> Any:
        found.append(picture.width)
        return search(self, picture, **options)

    monkeypatch.setattr(FaceLandmarker, "__call__", counted)
    return found


def test_an_upload_is_searched_for_faces_once(handlers: Handlers, searches: list[int]) -> None:
    taken = handlers.take(group_photo())["person"]
    assert len(searches) == 1
    moved = handlers.move(taken, 0.9, 5, 0)["person"]
    chosen = handlers.choose(moved, 1)["person"]
    handlers.move(chosen, 0.95, 0, 0)
    assert len(searches) == 1
    handlers.take_driver(example(3))
    assert len(searches) == 2
    # Reading counts all that was done once, the search included.
    assert moved.source.milliseconds > moved.upload.milliseconds > 0


def test_a_new_source_resets_its_controls(handlers: Handlers, group: Person) -> None:
    taken = handlers.take(group_photo())
    assert [taken[name] for name in ("zoom", "right", "down")] == [1, 0, 0]
    choice = taken["choice"]
    assert choice.visible and [name for name, _ in choice.choices] == ["Face 1", "Face 2"]
    assert opened(taken["photo"]).size == shown_photo(group).size
    assert "Found 2 faces" in taken["notes"]
    assert handlers.choose(taken["person"], 1)["person"].chosen == 1
    gone = handlers.take(None)
    assert gone["person"] is None and gone["photo"] is None


def test_a_source_stays_when_the_tab_is_opened_again(handlers: Handlers, person: Person) -> None:
    assert handlers.opened("?tab=faces&yaw=3", person) == {}


def test_a_link_brings_source_driver_and_sliders(handlers: Handlers) -> None:
    moved = handlers.opened("?tab=faces&example=107-neutral&yaw=8&budget=0.05")
    assert [moved[name] for name in ("example", "yaw", "budget")] == ["107-neutral", 8, 0.05]
    assert "mode" not in moved and "smile" not in moved
    driven = handlers.opened("?tab=faces&driver=107-smile")
    assert (driven["mode"], driven["driver_example"]) == (PICTURE, "107-smile")
    assert driven["driver"].neutral is not None
    absolute = handlers.opened("?tab=faces&driver=107-smile&driving=absolute")
    assert absolute["driving"] == ABSOLUTE and "driving" not in driven


def test_what_comes_back_is_driven_as_the_page_begins(handlers: Handlers) -> None:
    """A neutral picture of the visitor's own would be that of somebody else."""
    back = handlers.restored("?tab=faces&driver=107-smile")
    assert back["driving"] == RELATIVE
    for updates in (back, handlers.restored("?tab=faces"), handlers._driven_by(0)):
        assert updates["neutral"] is updates["neutral_photo"] is None
        assert updates["neutral_notes"] == ""
    absolute = handlers.restored("?tab=faces&driver=107-smile&driving=absolute")
    assert absolute["driving"] == ABSOLUTE


def test_a_shared_picture_is_driven_as_the_link_says(face_pipe: FacesPipeline) -> None:
    usual, relative, absolute = (
        rendering(face_pipe, {"driver": 3} | more).result(1).image
        for more in ({}, {"driving": 0}, {"driving": 1})
    )
    assert same(relative, usual) and not same(absolute, usual)


def test_a_visitor_is_not_asked_to_install_anything(
    handlers: Handlers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pictures, "_heif_is_there", lambda: False)
    heic = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(64)
    with pytest.raises(InputError, match=r"pip install .fiancee-hub\[heic\]., or save it again"):
        handlers.take(heic)
    with pytest.raises(gr.Error, match=r"is a HEIC picture, .*: save it again as JPEG") as caught:
        errors.plainly(handlers.take)(heic)
    assert "install" not in caught.value.message


def test_an_empty_upload_is_refused_and_takes_nobody_away(handlers: Handlers) -> None:
    for take in (handlers.take, handlers.take_driver):
        with pytest.raises(InputError, match="empty file where a picture is needed"):
            take(b"")


@pytest.mark.parametrize(
    ("content", "message"),
    [(no_face(), "No face was found"), (b"no picture", "truncated or no picture")],
)
def test_a_useless_photograph_is_refused_plainly(
    handlers: Handlers, content: bytes, message: str
) -> None:
    for take in (handlers.take, handlers.take_driver):
        with pytest.raises(gr.Error, match=message):
            Outputs().filled(take)(content)


def test_sliders_give_what_the_library_gives(
    handlers: Handlers, face_pipe: FacesPipeline, person: Person
) -> None:
    steps = list(handlers.generate(*wish(person, yaw=12.0, smile=0.8, whole=True)))
    controls = Controls(yaw=12.0, smile=0.8, relative=True)
    expected = face_pipe.compare(source=person.source, driver=controls, budget=BUDGET)
    assert len(steps) == 3
    early, full = steps[2]["pictures"]
    assert same(opened(early), expected.early.image) and same(opened(full), expected.full.image)
    assert f'data-fact="measured">{expected.lpips:.4f}<' in steps[2]["facts"]
    assert steps[2]["plot"].count('class="true" cx') == face_pipe.model.exits
    assert GENERATED in opened(early).info
    assert same(steps[0]["record"].early.result.image, expected.early.image)
    assert "<img" in steps[0]["whole_photo"] and "whole_photo" not in steps[1]
    assert steps[0]["shown_person"] is person


def test_a_hand_on_a_slider_gets_the_early_picture(handlers: Handlers, person: Person) -> None:
    turned = handlers.live(*wish(person, yaw=20.0))
    early, full = turned["pictures"]
    assert early == full and early.startswith("data:image/webp")
    assert "Measuring the true LPIPS" in turned["facts"]
    assert turned["shown_person"] is person
    assert 'class="true" cx' not in turned["plot"]
    still = handlers.live(*wish(person, yaw=0.0))
    assert not same(opened(still["pictures"][0]), opened(early))


@pytest.mark.parametrize("changes", [{"person": None}, {"mode": PICTURE}])
def test_what_stands_is_marked_while_something_is_missing(
    handlers: Handlers, person: Person, changes: dict[str, Any]
) -> None:
    values = wish(**{"person": person, **changes})
    (marked,) = handlers.follow(*values)
    assert marked.keys() == {"stale", "whole_photo"} and "choose an example" in marked["stale"]
    with pytest.raises(InputError, match="choose an example"):
        list(handlers.generate(*values))
    # The next picture takes the mark away.
    assert next(handlers.follow(*wish(person)))["stale"] == ""


@pytest.mark.parametrize("mode", [CLIP, CAMERA])
def test_where_many_pictures_are_made_nothing_is_said_of_one(
    handlers: Handlers, person: Person, mode: str
) -> None:
    (shown,) = handlers.follow(*wish(person, mode=mode))
    record = next(handlers.follow(*wish(person)))["record"]
    moved = handlers.move_budget(record, 0.03, person, whole=False, mode=mode)
    for updates, budget in ((shown, "0.100"), (moved, "0.030")):
        assert updates["record"] is None
        assert "How much computation" in updates["headline"]
        assert f"Budget {budget}: every frame takes an exit of its own" in updates["taken"]


def test_the_whole_photo_is_that_of_the_person_who_is_shown(
    checkpoints: list[demo.Loaded],
) -> None:
    """The source may be another one by now."""
    page = demo.build(checkpoints, Settings())
    of_source = {f.inputs[0]._id for f in page.fns.values() if f.name == "choose"}
    for name, place in (("in_photo", 0), ("move_budget", 2), ("pick_exit", 2)):
        asked = [f for f in page.fns.values() if f.name == name and len(f.inputs) > 2]
        assert asked
        for event in asked:
            assert isinstance(event.inputs[place], gr.State)
            assert event.inputs[place]._id not in of_source


def test_every_upload_is_read(checkpoints: list[demo.Loaded]) -> None:
    """One that is passed over while another is read would stay on the disk."""
    page = demo.build(checkpoints, Settings())
    reading = [f for f in page.fns.values() if f.name in ("take", "take_driver", "take_clip")]
    assert len(reading) == 4
    assert {event.trigger_mode for event in reading} == {"multiple"}


def test_an_upload_that_is_gone_is_said_to_be(handlers: Handlers, tmp_path: Path) -> None:
    gone = tmp_path / "a name.png"
    photo = PhotoInput(render=False)
    with pytest.raises(gr.Error) as refused:
        photo.preprocess(ImageData(path=str(gone)))
    assert refused.value.message == GONE
    with pytest.raises(InputError, match="send it again"):
        handlers.take_clip(gone, gr.Progress())


def test_a_driver_is_relative_only_with_its_neutral_picture(
    handlers: Handlers, face_pipe: FacesPipeline, person: Person
) -> None:
    taken = handlers.take_driver(example(3))
    driver, neutral = taken["driver"], handlers.take_driver(example(2))["driver"]
    assert driver is not None and taken["driver_photo"] is not None
    values = {"driver": driver, "mode": PICTURE}
    without = next(handlers.generate(*wish(person, **values)))
    absolute = next(handlers.generate(*wish(person, **values, driving=ABSOLUTE)))
    relative = next(handlers.generate(*wish(person, **values, neutral=neutral)))
    assert faces.NO_NEUTRAL.partition(":")[0] in without["facts"]
    assert without["pictures"] == absolute["pictures"] != relative["pictures"]
    expected = face_pipe(
        source=person.source, driver=example(3), reference=example(2), budget=BUDGET
    )
    assert same(opened(relative["pictures"][0]), expected.image)


def test_an_example_driver_brings_its_neutral_picture(handlers: Handlers) -> None:
    event = gr.SelectData(None, {"index": 3, "value": None})
    driver = handlers.pick_driver(event)["driver"]
    assert driver is not None and driver.neutral is not None


def test_the_result_goes_back_into_the_photograph(
    handlers: Handlers, face_pipe: FacesPipeline, group: Person
) -> None:
    made = Record.begin(face_pipe.prepare(source=group.source, driver=Controls(yaw=5)), BUDGET)
    html = handlers.in_photo(group, made, True)["whole_photo"]
    whole = opened(html.split('src="')[1].split('"')[0])
    assert whole.size == group.source.photo.image.size
    assert whole.getexif()[DESCRIPTION] == MARK
    nothing = {"whole_photo": ""}
    assert handlers.in_photo(group, made, False) == nothing
    assert handlers.in_photo(None, made, True) == nothing


def test_both_costs_are_told() -> None:
    early = Result(Image.new("RGB", (8, 8)), 1, 0.08, 100_000_000, 0.9, 10, 0, (), 500_000_000)
    full = replace(early, exit=4, macs=1_000_000_000, saving=0.0, milliseconds=60.0)
    html = facts.facts(facts.Outcome(early, 0.1, 4, full, 0.05, 40.0))
    assert "Operations (MACs), 90 % less" in html and "Time, median of late, 83 % less" in html
    assert "Reading the source once: 0.50 G, 40 ms" in html
    assert "Operations (MACs), 60 % less" in html and "Time, median of late, 50 % less" in html


# clips


def test_a_clip_is_driven_and_its_file_gone(
    handlers: Handlers, person: Person, tmp_path: Path, upload: Callable[[str, bytes], Path]
) -> None:
    frames = [Image.open(io.BytesIO(example(number))) for number in (2, 3)]
    write_clip([*frames, Image.new("RGB", (256, 256))], 5, tmp_path / "clip.mp4")
    path = upload("clip.mp4", (tmp_path / "clip.mp4").read_bytes())
    taken = handlers.take_clip(path, gr.Progress())
    motions = taken["motions"]
    assert not path.exists()
    assert motions is not None and (len(motions.frames), motions.usable) == (3, 2)
    assert "Without a usable face: 1" in taken["clip_notes"]
    made = handlers.make_clip(person, motions, RELATIVE, BUDGET, gr.Progress())
    html = made["clip"]
    assert "data:video/mp4" in html and html.count("<rect") == 2
    assert "Without a usable face: 1" in html


@pytest.mark.parametrize("kind", ["mkv", "webm", "gif", "webp", "png"])
def test_every_kind_of_clip_drives_with_its_length_and_sound(
    kind: str,
    handlers: Handlers,
    person: Person,
    tmp_path: Path,
    upload: Callable[[str, bytes], Path],
) -> None:
    faces = [Image.open(io.BytesIO(example(number))).convert("RGB") for number in (2, 3)]
    tone = Sound(np.full((RATE, 2), 5000, np.int16))
    frames = [Image.new("RGB", (256, 256)), *faces, Image.new("RGB", (256, 256)), faces[0]]
    write_clip(frames, 5, tmp_path / f"clip.{kind}", sound=tone)
    path = upload("clip.bin", (tmp_path / f"clip.{kind}").read_bytes())
    motions = handlers.take_clip(path, gr.Progress())["motions"]
    assert motions is not None and motions.usable == 3
    assert (motions.sound is not None) == (kind in ("mkv", "webm"))
    driven = clips.drive(
        handlers.pipe, person, motions, lambda *_: None, budget=BUDGET, relative=True
    )
    (tmp_path / "driven").write_bytes(driven.video)
    film = read_clip(tmp_path / "driven")
    assert film.count / film.fps == pytest.approx(1.0, abs=0.05)
    heard = read_sound(tmp_path / "driven", film)
    assert (heard is not None) == (motions.sound is not None)


def test_a_refused_clip_is_gone_too(
    handlers: Handlers, upload: Callable[[str, bytes], Path]
) -> None:
    path = upload("clip.mp4", b"no clip")
    with pytest.raises(gr.Error, match="damaged or no video"):
        Outputs().filled(handlers.take_clip)(path, gr.Progress())
    assert not path.exists()


def test_fast_clips_are_thinned(tmp_path: Path) -> None:
    write_clip([Image.new("RGB", (64, 64))] * 48, 48, tmp_path / "clip.mp4")
    clip = clips._opened(tmp_path / "clip.mp4")
    assert (clip.fps, clip.count) == (clips.MOST_FPS, 12)


def test_the_timeline_has_a_block_for_each_run() -> None:
    svg = clips.timeline([1, 1, 2, None, 4], 5, 4)
    assert svg.count('class="early"') == 2
    assert svg.count('class="missing"') == svg.count('class="full"') == 1
    assert "Exit of each of 4 frames over 1.0 seconds, 4 is full depth" in svg


# endpoints


def sent(path: Path) -> Any:
    return {"path": str(path)}


def test_programs_reenact_and_their_files_are_gone(
    handlers: Handlers, face_pipe: FacesPipeline, upload: Callable[[str, bytes], Path]
) -> None:
    paths = upload("source.jpg", example(0)), upload("driver.jpg", example(3))
    picture: Any
    picture, route = run(handlers.reenact(sent(paths[0]), sent(paths[1]), budget=BUDGET))
    expected = face_pipe(source=example(0), driver=example(3), budget=BUDGET)
    with Image.open(picture["path"]) as saved:
        assert same(saved, expected.image) and saved.info[GENERATED] == MARK
    assert json.loads(json.dumps(route))["exit"] == expected.exit
    assert route["source_macs"] == face_pipe.config.costs.encoder
    assert not any(path.exists() for path in paths)


def test_refused_files_are_gone_as_well(
    handlers: Handlers, upload: Callable[[str, bytes], Path]
) -> None:
    paths = upload("source.png", no_face()), upload("driver.jpg", example(3))
    with pytest.raises(InputError, match="No face"):
        run(handlers.reenact(sent(paths[0]), sent(paths[1])))
    assert not any(path.exists() for path in paths)


def test_programs_drive_by_numbers(
    handlers: Handlers, face_pipe: FacesPipeline, upload: Callable[[str, bytes], Path]
) -> None:
    picture: Any
    source = sent(upload("source.jpg", example(0)))
    picture, route = run(handlers.drive(source, yaw=15, exit=2))
    expected = face_pipe(source=example(0), driver=Controls(yaw=15, relative=True), exit=2)
    with Image.open(picture["path"]) as saved:
        assert same(saved, expected.image)
    assert route["exit"] == 2


# page


def test_both_families_have_typed_endpoints_only(checkpoints: list[demo.Loaded]) -> None:
    endpoints = demo.build(checkpoints, Settings()).get_api_info()["named_endpoints"]
    assert {name: kinds(endpoint) for name, endpoint in endpoints.items()} == {
        "/streets": {"label_map": "filepath", "budget": "float", "seed": "int"},
        "/reenact": {
            "source": "filepath",
            "driver": "filepath",
            "budget": "float",
            "exit": "None | int",
        },
        "/drive": {
            "source": "filepath",
            **dict.fromkeys(("yaw", "pitch", "roll", "smile", "mouth", "blink"), "float"),
            "relative": "bool",
            "budget": "float",
            "exit": "None | int",
        },
    }
    for endpoint in endpoints.values():
        made = [value["python_type"]["type"] for value in endpoint["returns"]]
        assert made == ["filepath", "dict(str, Any)"]


def kinds(endpoint: Any) -> dict[str, str]:
    """Type of each parameter by its name, as "Use via API" shows them."""
    return {p["parameter_name"]: p["python_type"]["type"] for p in endpoint["parameters"]}


def test_states_that_start_a_picture_lie_in_no_hidden_group(checkpoints: list[demo.Loaded]) -> None:
    page = demo.build(checkpoints, Settings())
    started = {target for f in page.fns.values() if f.name == "follow" for target, _ in f.targets}
    states = [page.blocks[target] for target in started if target is not None]
    found = [state for state in states if isinstance(state, gr.State)]
    assert len(found) == 3
    # There every result would count as a change, and the picture be made twice.
    for state in found:
        above = state.parent
        while above is not None:
            assert getattr(above, "visible", True) is True
            above = above.parent


def test_another_tab_of_faces_has_endpoints_of_its_own(checkpoints: list[demo.Loaded]) -> None:
    again = replace(checkpoints[1], name="my-faces")
    endpoints = demo.build([checkpoints[1], again], Settings()).get_api_info()["named_endpoints"]
    assert set(endpoints) == {"/reenact", "/drive", "/my_faces_reenact", "/my_faces_drive"}


def test_every_control_has_a_slider_a_link_and_a_parameter(
    checkpoints: list[demo.Loaded], handlers: Handlers
) -> None:
    page = demo.build(checkpoints, Settings())
    sliders = {s.elem_id: s for s in page.blocks.values() if isinstance(s, gr.Slider)}
    for control in CONTROLS:
        slider = sliders[f"faces-{control.name}"]
        assert (slider.minimum, slider.maximum) == (control.least, control.most)
        assert handlers.fields[control.name].read("", str(control.most)) == control.most
        assert f"{control.name}: {control.range}; {control.meaning}" in str(handlers.drive.__doc__)
