"""The demo in a real browser."""

import time
from base64 import b64decode
from collections.abc import Callable
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from demo_server import (
    PATIENCE,
    ROOT,
    DemoPage,
    FacesPage,
    StreetsPage,
    cache_of,
)
from gradio_client import Client, handle_file
from PIL import Image
from playwright.sync_api import expect
from visitor_pictures import (
    bomb,
    encoded,
    far_away,
    group_photo,
    half,
    long_clip,
    noise,
    portrait,
    street,
)

from fiancee_hub.core.marking import GENERATED, MARK
from fiancee_hub.families.faces.films import write_clip
from fiancee_hub.families.faces.pipeline import Controls, FacesPipeline
from fiancee_hub.families.label_maps.pipeline import StreetsPipeline
from space.faces.examples import examples as face_examples
from space.faces.wish import OPENING
from space.label_maps.maps import examples


def picture(screen: DemoPage, source: str) -> np.ndarray[Any, Any]:
    if source.startswith("data:"):
        content = b64decode(source.partition(",")[2])
    else:
        content = screen.page.request.get(source).body()
    with Image.open(BytesIO(content)) as image:
        return np.asarray(image.convert("RGB"))


def largest_difference(first: Any, second: Any) -> int:
    return int(np.abs(np.asarray(first, np.int16) - np.asarray(second, np.int16)).max())


def test_an_example_is_generated_as_the_library_does(
    screen: StreetsPage, shipped_pipe: StreetsPipeline
) -> None:
    with screen.new_result():
        screen.pick_example(5)
    sources = screen.generate()
    expected = shipped_pipe.compare(examples()[4].path, budget=0.1, seed=0)
    early, full = (picture(screen, source) for source in sources)
    assert largest_difference(early, expected.early.image) <= 1
    assert largest_difference(full, expected.full.image) <= 1
    assert screen.fact("exit") == f"{expected.early.exit} of {shipped_pipe.model.exits}"
    assert float(screen.fact("predicted")) == pytest.approx(
        expected.early.predicted_lpips, abs=2e-4
    )
    assert float(screen.fact("measured")) == pytest.approx(expected.lpips, abs=2e-4)
    kept = screen.part("facts", ".kept")
    assert kept.count() == (1 if expected.kept else 0)
    assert screen.part("plot", "circle.true").count() == shipped_pipe.model.exits
    assert screen.hosts == {screen.page.url.split("/")[2]}


def test_a_stroke_changes_the_picture(screen: StreetsPage) -> None:
    before = [picture(screen, source) for source in screen.sources()]
    screen.pick_class("building")
    screen.stroke((0.35, 0.3), (0.6, 0.7))
    after = [picture(screen, source) for source in screen.generate()]
    assert not np.array_equal(before[1], after[1])


def test_drawing_starts_on_a_blank_map(screen: StreetsPage) -> None:
    screen.pick_blank()
    screen.pick_class("road")
    screen.stroke((0.2, 0.8), (0.8, 0.8))
    assert len(screen.generate()) == 2
    expect(screen.part("facts", ".notes")).to_have_count(0)


def test_the_budget_and_the_seed_count(screen: StreetsPage, shipped_pipe: StreetsPipeline) -> None:
    screen.part("budget", "input[type=number]").fill("0")
    screen.part("seed", "input").fill("11")
    screen.generate()
    expected = shipped_pipe.compare(examples()[0].path, budget=0.0, seed=11)
    assert screen.fact("exit") == f"{expected.early.exit} of {shipped_pipe.model.exits}"
    assert float(screen.fact("measured")) == pytest.approx(expected.lpips, abs=2e-4)


def test_results_upload_no_map(screen: StreetsPage) -> None:
    sent: list[str] = []
    screen.page.on("request", lambda request: sent.append(request.url))
    with screen.new_result():
        screen.pick("examples", 1)
    with screen.new_result():
        screen.stroke((0.3, 0.7), (0.7, 0.7))
    screen.generate()
    assert sent and not [url for url in sent if "/upload" in url]


def test_a_new_seed_is_drawn(screen: StreetsPage) -> None:
    screen.part("new-seed").click()
    expect(screen.part("seed", "input")).not_to_have_value("0")


def refuse(screen: DemoPage, upload: Callable[[Path], None], path: Path, fix: str) -> None:
    """Uploads a file and waits for the page to say what is wrong with it."""
    upload(path)
    expect(screen.error.filter(has_text=fix)).to_be_visible(timeout=PATIENCE)
    said = " ".join(screen.error.all_inner_texts())
    assert "Traceback" not in said and str(path.parent) not in said


def test_unusable_maps_are_refused_in_plain_words(screen: StreetsPage, tmp_path: Path) -> None:
    before = screen.sources()
    for name, content, fix in (
        ("letter.png", b"no picture", "letter.png is truncated or no picture: save it again as"),
        ("half.png", half(encoded(street())), "half.png is truncated or no picture"),
        ("photograph.png", encoded(noise()), "in no class colour: use the class colours"),
        ("bomb.png", bomb(), "bomb.png is too large: shrink it below 50 megapixels"),
        ("array.npy", b"no array", "array.npy is truncated or no plain array"),
        ("document.pdf", b"%PDF-1.7", "Invalid file type"),
    ):
        (tmp_path / name).write_bytes(content)
        refuse(screen, screen.upload, tmp_path / name, fix)
    assert screen.sources() == before


def test_an_upload_says_what_was_done_to_it(screen: StreetsPage, tmp_path: Path) -> None:
    path = tmp_path / "map.png"
    with Image.open(examples()[2].path) as example:
        example.resize((640, 480), Image.Resampling.NEAREST).save(path)
    with screen.new_map():
        screen.upload(path)
    expect(screen.part("map-notes")).to_contain_text("Resized", timeout=PATIENCE)
    assert len(screen.generate()) == 2


@pytest.mark.parametrize("window", [(667, 375)])
def test_on_a_phone_held_sideways_the_whole_map_is_free(screen: StreetsPage) -> None:
    canvas = screen.part("map", "canvas").first
    canvas.evaluate("element => element.scrollIntoView({block: 'end'})")
    drawn, shown = canvas.bounding_box(), screen.part("pictures-group").bounding_box()
    assert drawn and shown
    beside = shown["x"] >= drawn["x"] + drawn["width"] or shown["x"] + shown["width"] <= drawn["x"]
    covered = (
        shown["y"] < drawn["y"] + drawn["height"] and shown["y"] + shown["height"] > drawn["y"]
    )
    assert beside or not covered


@pytest.mark.parametrize("window", [(375, 800)])
def test_the_page_fits_a_phone(screen: StreetsPage) -> None:
    width = screen.page.evaluate("document.documentElement.scrollWidth")
    assert width <= 375
    for part in (
        "#streets-examples",
        "#streets-map",
        "#streets-classes",
        "#streets-generate",
        "#streets-pictures",
        "#streets-plot",
    ):
        box = screen.page.locator(part).bounding_box()
        assert box is not None and box["x"] >= 0 and box["x"] + box["width"] <= 375


def test_programs_get_the_picture_and_its_route(
    demo_url: str, shipped_pipe: StreetsPipeline
) -> None:
    path = examples()[3].path
    image, route = Client(demo_url, verbose=False).predict(
        label_map=handle_file(str(path)), budget=0.1, seed=5, api_name="/streets"
    )
    expected = shipped_pipe(path, budget=0.1, seed=5)
    with Image.open(image) as saved:
        assert largest_difference(saved, expected.image) <= 1
    assert (route["exit"], route["seed"]) == (expected.exit, 5)


def test_programs_are_told_what_is_wrong(demo_url: str) -> None:
    client = Client(demo_url, verbose=False)
    with pytest.raises(Exception, match="budget 7 is out of range"):
        client.predict(
            label_map=handle_file(str(examples()[0].path)), budget=7, api_name="/streets"
        )
    with pytest.raises(Exception, match="handle_file"):
        client.predict(label_map={"path": str(ROOT / "app.py")}, api_name="/streets")


# faces


def share_that_differs(first: Any, second: Any) -> float:
    """Values further apart than rounding. Another number of threads sums up differently, and a
    landmark on the edge between two pixels of the face's map then falls on the other side."""
    return float((np.abs(np.asarray(first, np.int16) - np.asarray(second, np.int16)) > 1).mean())


FACES = [example.path for example in face_examples()]


def face_files(demo_log: Path) -> set[Path]:
    """What the server keeps, the streets' pictures and what Gradio leaves empty aside."""
    deadline = time.monotonic() + 10
    # Gradio names an upload tmp… until it is whole, and leaves empty ones of that name behind.
    while (
        any(size_of(path) for path in cache_of(demo_log).glob("tmp*"))
        and time.monotonic() < deadline
    ):
        time.sleep(0.1)
    kept = {path for path in cache_of(demo_log).rglob("*") if path.is_file() and size_of(path)}
    return {path for path in kept if path.name not in ("picture.png", "map.png", "street.png")}


def size_of(path: Path) -> int:
    """Bytes of a file; 0 if it has just gone."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def test_sliders_move_a_face_as_the_library_does(
    faces: FacesPage, shipped_face_pipe: FacesPipeline
) -> None:
    before = faces.sources()
    with faces.new_result():
        faces.press("yaw", "ArrowRight", 9)
        expect(faces.part("facts", ".waiting")).to_be_visible(timeout=PATIENCE)
    early, full = (picture(faces, source) for source in faces.sources())
    assert not np.array_equal(picture(faces, before[1]), full)
    controls = Controls(**{**OPENING, "yaw": OPENING["yaw"] + 9}, relative=True)
    expected = shipped_face_pipe.compare(source=FACES[0], driver=controls, budget=0.1)
    assert share_that_differs(early, expected.early.image) < 2e-3
    assert share_that_differs(full, expected.full.image) < 2e-3
    assert faces.fact("exit") == f"{expected.early.exit} of {shipped_face_pipe.model.exits}"
    assert float(faces.fact("measured")) == pytest.approx(expected.lpips, abs=2e-4)
    assert faces.part("plot", "circle.true").count() == shipped_face_pipe.model.exits
    expect(faces.part("facts", "[data-fact=macs-anew]").first).to_have_count(1)
    assert faces.hosts == {faces.page.url.split("/")[2]}


def test_one_of_several_faces_is_chosen_and_nothing_stays(
    faces: FacesPage, demo_log: Path, tmp_path: Path
) -> None:
    kept = face_files(demo_log)
    (tmp_path / "group.png").write_bytes(group_photo())
    with faces.new_result():
        faces.upload("source", tmp_path / "group.png")
    expect(faces.part("source-notes")).to_contain_text("Found 2 faces", timeout=PATIENCE)
    first = faces.sources()
    with faces.new_result():
        faces.part("choice").get_by_label("Face 2").check()
    assert picture(faces, faces.sources()[1]).shape == picture(faces, first[1]).shape
    assert faces.sources()[1] != first[1]
    faces.part("whole-wanted", "input").check()
    expect(faces.part("whole", "img")).to_be_visible(timeout=PATIENCE)
    assert face_files(demo_log) == kept


def test_unusable_photographs_are_refused_and_gone(
    faces: FacesPage, demo_log: Path, tmp_path: Path
) -> None:
    kept, shown = face_files(demo_log), faces.part("source", "img").first.get_attribute("src")
    for name, content, fix in (
        ("wall.png", encoded(noise()), "No face was found: use a photograph"),
        ("far.png", far_away(), "use a picture in which the face is larger"),
        ("half.jpg", half(encoded(portrait(), "JPEG")), "save it again as JPEG or PNG"),
        ("bomb.png", bomb(), "too large: shrink it below 50 megapixels"),
        ("document.pdf", b"%PDF-1.7", "Invalid file type"),
    ):
        (tmp_path / name).write_bytes(content)
        refuse(faces, partial(faces.upload, "source"), tmp_path / name, fix)
        # The source before takes its place again.
        expect(faces.part("source", "img").first).to_have_attribute("src", str(shown))
        assert face_files(demo_log) <= kept, name
        assert name not in demo_log.read_text()


def test_unusable_clips_are_refused_and_gone(
    faces: FacesPage, demo_log: Path, tmp_path: Path
) -> None:
    kept = face_files(demo_log)
    faces.part("mode").get_by_label("Clip").check()
    for name, content, fix in (
        ("long.gif", long_clip(), "long.gif is longer than 30 seconds: cut it to that"),
        ("letter.mp4", b"no video", "letter.mp4 is damaged or no video: save it again as MP4"),
    ):
        (tmp_path / name).write_bytes(content)
        refuse(faces, partial(faces.upload, "clip-group"), tmp_path / name, fix)
    assert face_files(demo_log) == kept


def test_an_example_drives(faces: FacesPage, shipped_face_pipe: FacesPipeline) -> None:
    faces.part("mode").get_by_label("Picture").check()
    with faces.new_result():
        faces.pick("driver-examples", 4)
    expected = shipped_face_pipe(source=FACES[0], driver=FACES[3], reference=FACES[2], budget=0.1)
    assert share_that_differs(picture(faces, faces.sources()[0]), expected.image) < 2e-3


def test_a_clip_drives_and_is_gone(faces: FacesPage, demo_log: Path, tmp_path: Path) -> None:
    kept = face_files(demo_log)
    frames = [Image.open(path).convert("RGB") for path in FACES[2:]]
    write_clip(frames * 2, 4, tmp_path / "clip.mp4")
    faces.part("mode").get_by_label("Clip").check()
    faces.upload("clip-group", tmp_path / "clip.mp4")
    # The progress above the notes speaks of frames, too.
    expect(faces.part("clip-notes", "li")).to_contain_text("4 frames", timeout=PATIENCE)
    faces.part("make").click()
    film = faces.part("clip", "video")
    expect(film.or_(faces.error).first).to_be_visible(timeout=PATIENCE)
    assert faces.error.all_inner_texts() == []
    faces.page.wait_for_function("document.querySelector('#faces-clip video').readyState > 1")
    assert faces.part("clip", "rect").count() >= 1
    assert face_files(demo_log) == kept


@pytest.mark.parametrize("window", [(360, 740)])
def test_the_faces_fit_a_phone(faces: FacesPage) -> None:
    for mode in ("Sliders", "Picture", "Clip"):
        faces.part("mode").get_by_label(mode).check()
        expect(faces.part("make" if mode == "Clip" else "generate")).to_be_visible()
        assert faces.page.evaluate("document.documentElement.scrollWidth") <= 360


def test_programs_reenact(demo_url: str, demo_log: Path, shipped_face_pipe: FacesPipeline) -> None:
    kept = face_files(demo_log)
    image, route = Client(demo_url, verbose=False).predict(
        source=handle_file(str(FACES[0])),
        driver=handle_file(str(FACES[3])),
        budget=0.1,
        api_name="/reenact",
    )
    expected = shipped_face_pipe(source=FACES[0], driver=FACES[3], budget=0.1)
    with Image.open(image) as saved:
        assert share_that_differs(saved, expected.image) < 2e-3
        assert saved.info[GENERATED] == MARK
    assert route["exit"] == expected.exit
    assert {path.name for path in face_files(demo_log) - kept} <= {"face.png"}


def test_programs_drive_by_numbers(demo_url: str, shipped_face_pipe: FacesPipeline) -> None:
    image, route = Client(demo_url, verbose=False).predict(
        source=handle_file(str(FACES[2])), yaw=-8, smile=0.5, exit=1, api_name="/drive"
    )
    controls = Controls(yaw=-8, smile=0.5, relative=True)
    expected = shipped_face_pipe(source=FACES[2], driver=controls, exit=1)
    with Image.open(image) as saved:
        assert share_that_differs(saved, expected.image) < 2e-3
    assert route["exit"] == 1
