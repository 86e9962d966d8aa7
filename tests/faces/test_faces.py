"""Faces: landmarks as the reference gives them, poses, photographs as people have them, clips."""

import io
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageOps

from fiancee_hub.core import pictures
from fiancee_hub.core.errors import InputError, MissingPackageError
from fiancee_hub.families.faces import clips, photos
from fiancee_hub.families.faces.clips import at_rate, read_clip
from fiancee_hub.families.faces.films import write_clip
from fiancee_hub.families.faces.landmarks.expression import (
    BLENDSHAPES,
    expression,
    expression_scores,
)
from fiancee_hub.families.faces.landmarks.graphs import ATTENTION_MESH, Graph
from fiancee_hub.families.faces.landmarks.landmarker import Face, FaceLandmarker, attention_points
from fiancee_hub.families.faces.landmarks.pose import (
    Floats,
    Pose,
    canonical_face,
    canonicalise,
    fit_pose,
    project,
    rotation_from_euler,
)
from fiancee_hub.families.faces.photos import (
    FaceCrop,
    Photo,
    crop_at,
    crop_face,
    find_faces,
    paste_back,
    read_photo,
)

EXAMPLES = Path(__file__).parents[2] / "space" / "examples" / "faces"
KNOWN: dict[str, Any] = json.loads(
    (Path(__file__).parents[1] / "data" / "face_landmarks.json").read_text()
)
NAMES = tuple(KNOWN["faces"])
quick = settings(max_examples=40, deadline=None)
angles = st.floats(-80, 80, width=32)


@pytest.fixture(scope="module")
def landmarker() -> FaceLandmarker:
    return FaceLandmarker()


@pytest.fixture(scope="module")
def face_image() -> Image.Image:
    return example(NAMES[0])


def example(name: str) -> Image.Image:
    return Image.open(EXAMPLES / name).convert("RGB")


def on_canvas(image: Image.Image, size: tuple[int, int], corner: tuple[int, int]) -> Image.Image:
    canvas = Image.new("RGB", size, (120, 130, 110))
    canvas.paste(image, corner)
    return canvas


def furthest(first: Floats, second: Floats) -> float:
    """Largest distance between two sets of points (N, 2 or more), pixels."""
    return float(np.linalg.norm(first[:, :2] - second[:, :2], axis=1).max())


def as_bytes(image: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def cropped(image: Image.Image, landmarker: FaceLandmarker, index: int = 0) -> FaceCrop:
    return crop_face(image, find_faces(image, landmarker), index)


# Landmarks, pose and expression


@pytest.mark.parametrize("name", NAMES)
def test_faces_are_as_the_reference_finds_them(name: str, landmarker: FaceLandmarker) -> None:
    known = KNOWN["faces"][name]
    (face,) = landmarker(example(name))
    assert face.landmarks.shape == (478, 3)
    assert face.landmarks.dtype == np.float32
    found = face.landmarks[KNOWN["points"]]
    assert np.abs(found - np.array(known["landmarks"])).max() < 0.25
    assert face.score == pytest.approx(known["score"], abs=0.01)
    assert np.allclose(face.pose.euler_deg(), known["euler_deg"], atol=0.1)
    assert face.pose.scale == pytest.approx(known["scale"], rel=0.002)
    scores = expression(face.landmarks, face.pose)
    assert np.abs(scores - np.array(known["expression"])).max() < 0.02


@pytest.mark.parametrize(("moved", "turned", "grown"), [(0, 0, 1), (24, 8, 1), (-16, -15, 1.1)])
def test_a_face_is_followed_into_the_next_frame(
    moved: int, turned: int, grown: float, landmarker: FaceLandmarker, face_image: Image.Image
) -> None:
    """As exactly as it is found there: within a hundredth of its size on average."""
    (last,) = landmarker(face_image)
    width, height = (round(grown * side) for side in face_image.size)
    frame = face_image.resize((width, height)).rotate(
        turned, Image.Resampling.BICUBIC, translate=(moved, 0)
    )
    (found,) = landmarker(frame)
    followed = landmarker.follow(frame, last)
    assert followed is not None and followed.score > 0.5
    apart = np.linalg.norm((followed.landmarks - found.landmarks)[:, :2], axis=1)
    assert apart.mean() < 0.01 * found.size


def test_a_face_that_has_gone_is_not_followed(
    landmarker: FaceLandmarker, face_image: Image.Image
) -> None:
    (last,) = landmarker(face_image)
    assert landmarker.follow(Image.new("RGB", face_image.size, "grey"), last) is None
    beside = Image.new("RGB", (1000, 300))
    beside.paste(face_image.resize((200, 200)), (780, 50))
    assert landmarker.follow(beside, last) is None


def test_a_smile_is_seen(landmarker: FaceLandmarker) -> None:
    smile = BLENDSHAPES.index("mouthSmileLeft")
    for person in ("london_008", "london_107"):
        faces = [landmarker(example(f"{person}_{kind}.jpg"))[0] for kind in ("neutral", "smile")]
        neutral, smiling = (expression(face.landmarks, face.pose) for face in faces)
        assert smiling[smile] > neutral[smile] + 0.3


@pytest.mark.parametrize("turn", list(Image.Transpose)[2:5])
def test_turned_pictures_give_turned_landmarks(
    turn: Image.Transpose, landmarker: FaceLandmarker, face_image: Image.Image
) -> None:
    (upright,), (turned,) = landmarker(face_image), landmarker(face_image.transpose(turn))
    x, y = upright.landmarks[:, 0], upright.landmarks[:, 1]
    expected = {
        Image.Transpose.ROTATE_90: (y, 256 - x),
        Image.Transpose.ROTATE_180: (256 - x, 256 - y),
        Image.Transpose.ROTATE_270: (256 - y, x),
    }[turn]
    assert furthest(turned.landmarks, np.stack(expected, axis=1)) < 2


def test_a_large_photograph_gives_the_same_landmarks(
    landmarker: FaceLandmarker, face_image: Image.Image
) -> None:
    large = on_canvas(face_image.resize((1024, 1024)), (1700, 1300), (500, 120))
    (small,), (found,) = landmarker(face_image), landmarker(large)
    assert furthest((found.landmarks - np.array([500, 120, 0])) / 4, small.landmarks) < 2


def test_small_faces_of_a_large_photograph_are_found(
    landmarker: FaceLandmarker, face_image: Image.Image
) -> None:
    scene = on_canvas(face_image, (2000, 1500), (1600, 1100))
    (face,) = landmarker(scene)
    assert (
        furthest(face.landmarks - np.array([1600, 1100, 0]), landmarker(face_image)[0].landmarks)
        < 2
    )


def test_threads_share_one_landmarker(landmarker: FaceLandmarker) -> None:
    images = [example(name) for name in NAMES] * 3
    alone = [landmarker(image)[0].landmarks for image in images]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda image: landmarker(image)[0].landmarks, images))
    assert all(np.array_equal(a, b) for a, b in zip(alone, together, strict=True))


def test_landmarks_and_expression_are_differentiable_and_batched() -> None:
    graph = Graph(ATTENTION_MESH)
    crops = [example(name).resize((192, 192)) for name in NAMES[:2]]
    stack = np.stack([np.asarray(crop, np.float32) for crop in crops]) / 255
    pixels = torch.from_numpy(stack).permute(0, 3, 1, 2).requires_grad_()
    points = attention_points(graph(pixels))
    assert points.shape == (2, 478, 3)
    with torch.no_grad():
        alone = attention_points(graph(pixels[1:]))
    assert torch.allclose(points[1:], alone, atol=1e-2)
    expression_scores(points / 20).sum().backward()
    assert pixels.grad is not None and bool((pixels.grad != 0).any())


def test_the_canonical_face_is_shared_and_cannot_be_written_to() -> None:
    face = canonical_face()
    assert face is canonical_face()
    assert face.vertices.shape == (468, 3) and face.triangles.shape == (898, 3)
    with pytest.raises(ValueError, match="read-only"):
        face.vertices[0] = 0


@quick
@given(angles, angles, angles)
def test_rotations_and_angles_are_inverse(yaw: float, pitch: float, roll: float) -> None:
    rotation = rotation_from_euler(yaw, pitch, roll)
    assert np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-5)
    pose = Pose(rotation, np.zeros(3, np.float32), 1.0)
    assert np.allclose(pose.euler_deg(), (yaw, pitch, roll), atol=1e-3)


@quick
@given(angles, angles, angles, st.floats(1, 50), st.integers(0, 2**32 - 1))
def test_projecting_undoes_canonicalising(
    yaw: float, pitch: float, roll: float, scale: float, seed: int
) -> None:
    random = np.random.default_rng(seed)
    shift = random.uniform(-500, 500, 3).astype(np.float32)
    pose = Pose(rotation_from_euler(yaw, pitch, roll), shift, scale)
    points = random.uniform(-300, 300, (478, 3)).astype(np.float32)
    assert np.allclose(project(canonicalise(points, pose), pose), points, atol=0.01)
    face = random.uniform(-10, 10, (478, 3)).astype(np.float32)
    assert np.allclose(canonicalise(project(face, pose), pose), face, atol=0.01)


@quick
@given(angles, angles, angles, st.floats(1, 50))
def test_the_pose_of_a_projected_canonical_face_is_found(
    yaw: float, pitch: float, roll: float, scale: float
) -> None:
    pose = Pose(rotation_from_euler(yaw, pitch, roll), np.array([128, -99, 3], np.float32), scale)
    found = fit_pose(project(canonical_face().vertices, pose))
    assert np.allclose(found.rotation, pose.rotation, atol=1e-4)
    assert np.allclose(found.translation, pose.translation, atol=0.01)
    assert found.scale == pytest.approx(scale, rel=1e-4)


def test_signs_of_the_angles() -> None:
    nose = np.array([[0, 0, 5]], np.float32)  # towards the viewer
    crown = np.array([[0, 9, 0]], np.float32)
    origin = np.zeros(3, np.float32)

    def at(point: Floats, yaw: float, pitch: float, roll: float) -> Floats:
        return project(point, Pose(rotation_from_euler(yaw, pitch, roll), origin, 1.0))[0]

    assert at(nose, 20, 0, 0)[0] > 1, "yaw > 0 turns to the right edge"
    assert at(nose, 0, 20, 0)[1] > 1, "pitch > 0 looks down"
    assert at(crown, 0, 0, 20)[0] < -1, "roll > 0 is counter-clockwise"


# Photographs


def turned_by_exif(image: Image.Image, orientation: int) -> bytes:
    """A JPEG that is stored turned and says so."""
    stored = {
        3: Image.Transpose.ROTATE_180,
        6: Image.Transpose.ROTATE_90,
        8: Image.Transpose.ROTATE_270,
    }
    exif = Image.Exif()
    exif[0x0112] = orientation
    return as_bytes(image.transpose(stored[orientation]), "PNG", exif=exif)


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_exif_turns_the_picture_upright(orientation: int, face_image: Image.Image) -> None:
    photo = read_photo(turned_by_exif(face_image, orientation))
    assert np.array_equal(np.asarray(photo.image), np.asarray(face_image))
    assert photo.notes == ("Turned upright as its EXIF data says.",)


FORMS: dict[str, Callable[[Image.Image, Path], Any]] = {
    "path": lambda image, folder: saved(image, folder / "face.png"),
    "text path": lambda image, folder: str(saved(image, folder / "face.webp", lossless=True)),
    "bytes": lambda image, folder: as_bytes(image, "TIFF"),
    "image": lambda image, folder: image,
    "array": lambda image, folder: np.asarray(image),
    "16-bit array": lambda image, folder: np.asarray(image).astype(np.uint16) * 257,
    "opaque": lambda image, folder: image.convert("RGBA"),
    "opaque array": lambda image, folder: np.asarray(image.convert("RGBA")),
}


def saved(image: Image.Image, path: Path, **options: Any) -> Path:
    image.save(path, **options)
    return path


@pytest.mark.parametrize("form", FORMS)
def test_exact_forms_are_read_exactly(form: str, face_image: Image.Image, tmp_path: Path) -> None:
    photo = read_photo(FORMS[form](face_image, tmp_path))
    assert photo.image.mode == "RGB" and photo.notes == ()
    assert np.array_equal(np.asarray(photo.image), np.asarray(face_image))


def test_grey_of_eight_and_of_sixteen_bits_are_the_same(face_image: Image.Image) -> None:
    grey = np.asarray(face_image.convert("L"))
    deep = Image.fromarray(grey.astype(np.uint16) * 257)
    for source in (
        as_bytes(deep, "PNG"),
        as_bytes(deep, "TIFF"),
        as_bytes(Image.fromarray(grey), "PNG"),
    ):
        assert np.array_equal(np.asarray(read_photo(source).image)[..., 1], grey)


def test_cmyk_still_shows_the_face(face_image: Image.Image, landmarker: FaceLandmarker) -> None:
    photo = read_photo(as_bytes(face_image.convert("CMYK"), "JPEG", quality=95))
    (found,), (original,) = landmarker(photo.image), landmarker(face_image)
    assert furthest(found.landmarks, original.landmarks) < 2


def test_transparent_parts_become_white(face_image: Image.Image) -> None:
    image = face_image.convert("RGBA")
    image.paste((0, 0, 0, 0), (0, 0, 40, 40))
    photo = read_photo(as_bytes(image, "PNG"))
    assert photo.image.getpixel((10, 10)) == (255, 255, 255)
    assert photo.image.getpixel((100, 100)) == face_image.getpixel((100, 100))
    assert photo.notes == ("Transparent parts were made white.",)


def test_animations_give_their_first_picture(face_image: Image.Image) -> None:
    other = ImageOps.invert(face_image)
    animation = as_bytes(face_image, "WEBP", save_all=True, append_images=[other], lossless=True)
    photo = read_photo(animation)
    assert np.array_equal(np.asarray(photo.image), np.asarray(face_image))
    assert photo.notes == ("Took the first picture of an animation.",)


def test_a_photo_is_a_copy(face_image: Image.Image) -> None:
    image = face_image.copy()
    photo = read_photo(image)
    image.paste((0, 0, 0), (0, 0, 256, 256))
    assert photo.image.getpixel((128, 128)) == face_image.getpixel((128, 128))


@pytest.mark.parametrize(
    ("source", "fix"),
    [
        (b"", "JPEG or PNG"),
        (b"%PDF-1.7 no picture", "JPEG or PNG"),
        ("nowhere.jpg", "check the path"),
        (12, "pass a path, bytes"),
        (np.zeros((4, 4)), "pass uint8"),
        (np.zeros((0, 4), np.uint8), "at least one pixel"),
        (np.zeros((4, 4, 7), np.uint8), "height, width"),
        (Image.new("F", (9, 9)), "JPEG or PNG"),
    ],
)
def test_what_is_no_photo_is_refused(source: Any, fix: str) -> None:
    with pytest.raises(InputError, match=fix):
        read_photo(source)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "TIFF"])
def test_truncated_files_are_refused(kind: str, face_image: Image.Image) -> None:
    whole = as_bytes(face_image, kind)
    with pytest.raises(InputError, match=r"truncated or no picture: save it again as JPEG or PNG"):
        read_photo(whole[: len(whole) // 2])


def test_huge_pictures_are_refused_before_decoding(
    monkeypatch: pytest.MonkeyPatch, face_image: Image.Image
) -> None:
    monkeypatch.setattr(photos, "MOST_PIXELS", 1000)
    whole = as_bytes(face_image, "PNG")
    with pytest.raises(InputError, match="megapixels: shrink it"):
        read_photo(whole[: len(whole) // 2])


def test_decompression_bombs_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    with pytest.raises(InputError, match=f"below {pictures.MOST_PIXELS // 1_000_000} megapixels"):
        read_photo(as_bytes(Image.new("RGB", (9, 9)), "PNG"))


# Crops


def test_a_picture_without_a_face_is_refused(landmarker: FaceLandmarker) -> None:
    drawing = Image.new("RGB", (500, 300), (200, 220, 240))
    ImageDraw.Draw(drawing).polygon([(100, 250), (200, 80), (300, 250)], (90, 60, 40))
    for image in (drawing, Image.new("RGB", (1, 1)), Image.new("RGB", (3000, 2))):
        with pytest.raises(InputError, match="No face was found: use a photograph"):
            find_faces(image, landmarker)


@pytest.mark.parametrize("size", [300, 1000])
def test_a_tiny_face_is_refused(
    size: int, landmarker: FaceLandmarker, face_image: Image.Image
) -> None:
    image = on_canvas(face_image.resize((76, 76)), (size, size), (100, 150))
    with pytest.raises(InputError, match="use a picture in which the face is larger"):
        cropped(image, landmarker)


@pytest.mark.parametrize("part", [(0, 0, 256, 165), (100, 0, 256, 256), (0, 95, 256, 256)])
def test_a_face_cut_off_is_refused(
    part: tuple[int, int, int, int], landmarker: FaceLandmarker, face_image: Image.Image
) -> None:
    with pytest.raises(InputError, match="cut off by the picture's edge"):
        cropped(face_image.crop(part), landmarker)


def test_of_two_faces_the_larger_is_taken(landmarker: FaceLandmarker) -> None:
    scene = on_canvas(example(NAMES[0]), (700, 400), (10, 60))
    scene.paste(example(NAMES[2]).resize((320, 320)), (330, 40))
    faces = find_faces(scene, landmarker)
    assert len(faces) == 2 and faces[0].size > faces[1].size
    largest, other = crop_face(scene, faces), crop_face(scene, faces, 1)
    assert largest.box[0] > 300 > other.box[0]
    assert largest.notes[0] == "Found 2 faces and took the largest."
    assert other.notes[0] == "Found 2 faces and took the chosen one."
    with pytest.raises(InputError, match="has 0 to 1"):
        crop_face(scene, faces, 2)


@pytest.mark.parametrize("name", NAMES)
def test_crops_are_framed_as_in_training(name: str, landmarker: FaceLandmarker) -> None:
    image, corner = example(name).resize((512, 512)), np.array([300, 200])
    wide = on_canvas(image, (1200, 1000), (300, 200))
    crop = cropped(wide, landmarker)
    assert crop.picture.size == (256, 256) and crop.notes == ()
    expected = (*corner, *(corner + 512))
    assert np.abs(np.subtract(crop.box, expected)).max() < 0.05 * 512
    assert furthest(crop.landmarks, landmarker(crop.picture)[0].landmarks) < 2
    assert np.array_equal(crop.pose.rotation, fit_pose(crop.landmarks).rotation)


def test_crops_stay_in_the_picture(landmarker: FaceLandmarker, face_image: Image.Image) -> None:
    image = face_image.resize((600, 600)).crop((60, 60, 600, 600))
    left, top, right, bottom = cropped(image, landmarker).box
    assert left >= 0 and top >= 0 and right <= 540 and bottom <= 540
    assert right - left == 540


def test_too_tight_a_picture_is_extended(
    landmarker: FaceLandmarker, face_image: Image.Image
) -> None:
    (face,) = landmarker(face_image)
    left, top, right, bottom = (round(edge) for edge in face.box.tolist())
    crop = cropped(face_image.crop((left - 4, top - 30, right + 4, bottom + 4)), landmarker)
    assert crop.picture.size == (256, 256)
    assert any("its edges were extended" in note for note in crop.notes)


def test_small_and_turned_faces_are_noted(landmarker: FaceLandmarker) -> None:
    small = example(NAMES[0]).resize((160, 160))
    assert cropped(small, landmarker).notes == (
        "Enlarged from 160x160 to 256x256 pixels, so it is soft.",
    )
    (face,) = landmarker(example(NAMES[0]))
    turned = Pose(rotation_from_euler(-41, 38, 0), face.pose.translation, face.pose.scale)
    notes = crop_face(example(NAMES[0]), [Face(face.landmarks, turned, face.score, face.box)]).notes
    assert notes == (
        "The head is turned 41 degrees sideways: beyond 35 results get worse.",
        "The head is turned 38 degrees up or down: beyond 35 results get worse.",
    )


def test_a_moved_box_is_cut_as_it_is(landmarker: FaceLandmarker, face_image: Image.Image) -> None:
    scene = on_canvas(face_image, (600, 400), (200, 100))
    (face,) = find_faces(scene, landmarker)
    crop = crop_at(scene, (180, 90, 480, 390), face)
    expected = scene.crop((180, 90, 480, 390)).resize((256, 256), Image.Resampling.LANCZOS)
    assert np.array_equal(np.asarray(crop.picture), np.asarray(expected))
    for box, fix in {
        (180, 90, 480, 380): "make it a square",
        (9, 9, 9, 9): "make it a square",
        (300, 90, 560, 350): "move or enlarge it",
        (0, 0, 20, 20): "move or enlarge it",
        (800, 800, 1000, 1000): "move or enlarge it",
    }.items():
        with pytest.raises(InputError, match=fix):
            crop_at(scene, box, face)


def test_pasting_back_changes_the_crop_only_and_softly(
    landmarker: FaceLandmarker, face_image: Image.Image
) -> None:
    photo = Photo(on_canvas(face_image, (600, 400), (200, 100)))
    crop = crop_face(photo.image, find_faces(photo.image, landmarker))
    whole = np.asarray(paste_back(photo, crop, Image.new("RGB", (256, 256), (255, 0, 0))))
    before = np.asarray(photo.image)
    left, top, right, bottom = crop.box
    outside = np.ones(before.shape[:2], bool)
    outside[top:bottom, left:right] = False
    assert np.array_equal(whole[outside], before[outside])
    assert (whole[(top + bottom) // 2, (left + right) // 2] == (255, 0, 0)).all()
    edge = np.abs(whole[:, left].astype(int) - before[:, left]).max()
    assert edge < 10


def test_pasting_the_crop_itself_changes_next_to_nothing(
    landmarker: FaceLandmarker, face_image: Image.Image
) -> None:
    for image in (face_image, on_canvas(face_image, (600, 400), (200, 100))):
        photo = Photo(image)
        crop = crop_face(image, find_faces(image, landmarker))
        same = paste_back(photo, crop, crop.picture)
        difference = np.abs(np.asarray(same).astype(int) - np.asarray(image))
        assert same.size == image.size and difference.mean() < 1


def test_what_fills_the_photo_has_no_soft_edge(landmarker: FaceLandmarker) -> None:
    photo = Photo(example(NAMES[0]))
    crop = cropped(photo.image, landmarker)
    assert crop.box == (0, 0, 256, 256)
    red = Image.new("RGB", (256, 256), (255, 0, 0))
    assert np.array_equal(np.asarray(paste_back(photo, crop, red)), np.asarray(red))


# Clips


def coloured_frames(count: int, size: tuple[int, int] = (96, 64)) -> list[Image.Image]:
    """Left half red, right half blue, both brighter from frame to frame."""
    frames = []
    for index in range(count):
        frame = Image.new("RGB", size, (60 + 8 * index, 0, 0))
        frame.paste((0, 0, 60 + 8 * index), (size[0] // 2, 0, *size))
        frames.append(frame)
    return frames


def shades(frames: list[Image.Image]) -> list[int]:
    """Index of each of ``coloured_frames`` by its brightness."""
    return [round((np.asarray(frame)[20, 10, 0].item() - 60) / 8) for frame in frames]


@pytest.fixture
def video(tmp_path: Path) -> Path:
    pytest.importorskip("av")
    write_clip(coloured_frames(20), 25, tmp_path / "clip.mp4")
    return tmp_path / "clip.mp4"


def test_videos_come_back_as_they_were_written(video: Path) -> None:
    clip = read_clip(video)
    frames = list(clip.frames)
    assert (clip.fps, clip.count, len(frames)) == (25, 20, 20)
    assert shades(frames) == list(range(20))
    for frame, original in zip(frames, coloured_frames(20), strict=True):
        assert np.abs(np.asarray(frame).astype(int) - np.asarray(original)).mean() < 6
    assert [path.name for path in video.parent.iterdir()] == ["clip.mp4"]


def test_videos_are_read_at_the_rate_asked_for(video: Path) -> None:
    assert shades(list(read_clip(video, fps=12.5).frames)) == list(range(0, 20, 2))
    assert shades(list(read_clip(video, fps=50).frames)) == [i // 2 for i in range(40)]


def test_videos_are_turned_as_they_say(video: Path) -> None:
    upright = b"\0\1\0\0" + b"\0" * 12 + b"\0\1\0\0" + b"\0" * 12 + b"\x40\0\0\0"
    clockwise = b"\0" * 4 + b"\0\1\0\0" + b"\0" * 4 + b"\xff\xff\0\0" + b"\0" * 16 + b"\x40\0\0\0"
    data = video.read_bytes()
    place = data.index(upright, data.index(b"tkhd"))
    video.write_bytes(data[:place] + clockwise + data[place + len(upright) :])
    frame = next(read_clip(video).frames)
    assert frame.size == (64, 96)
    pixels = np.asarray(frame)
    assert pixels[10, 32, 0] > 40 > pixels[90, 32, 0]


def test_odd_sizes_are_cut_to_even(tmp_path: Path) -> None:
    pytest.importorskip("av")
    write_clip(coloured_frames(3, (97, 65)), 10, tmp_path / "odd.mp4")
    assert {frame.size for frame in read_clip(tmp_path / "odd.mp4").frames} == {(96, 64)}


@pytest.mark.parametrize("kind", ["gif", "webp", "png"])
def test_animations_are_read(kind: str, tmp_path: Path) -> None:
    first, *others = coloured_frames(10)
    path = tmp_path / f"animation.{kind}"
    lossless: dict[str, Any] = {"lossless": True} if kind == "webp" else {}
    first.save(path, save_all=True, append_images=others, duration=40, **lossless)
    clip = read_clip(path)
    assert clip.fps == pytest.approx(25) and clip.count == 10
    assert shades(list(clip.frames)) == list(range(10))


def test_a_last_frame_that_stands_does_not_slow_the_rate(tmp_path: Path) -> None:
    first, *others = coloured_frames(10)
    path = tmp_path / "animation.gif"
    first.save(path, save_all=True, append_images=others, duration=[40] * 9 + [1000])
    clip = read_clip(path)
    assert clip.fps == pytest.approx(25) and clip.count == 34
    assert shades(list(clip.frames)) == [*range(10), *[9] * 24]


def test_a_clip_says_what_it_is(tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    write_clip(coloured_frames(3), 10, tmp_path / "clip.mp4", comment="made up")
    with av.open(str(tmp_path / "clip.mp4")) as container:
        assert container.metadata["comment"] == "made up"


def test_what_is_no_clip_is_refused(video: Path, tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("no video")
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "half.mp4").write_bytes(video.read_bytes()[: video.stat().st_size // 2])
    coloured_frames(1)[0].save(tmp_path / "picture.jpg")
    playlist = f"#EXTM3U\n#EXTINF:1,\n{video}\n#EXT-X-ENDLIST\n"
    (tmp_path / "playlist.mp4").write_text(playlist)
    for name, fix in {
        "text.mp4": "damaged or no video: save it again as MP4",
        "empty.mp4": "is an empty file where a clip is needed",
        "half.mp4": "damaged or no video: save it again as MP4",
        "playlist.mp4": "is a playlist where a clip is needed",
        "picture.jpg": "is a single picture: use a video",
        "missing.mp4": "check the path",
    }.items():
        with pytest.raises(InputError, match=fix):
            read_clip(tmp_path / name)
    with pytest.raises(InputError, match="out of range"):
        read_clip(video, fps=0)


def test_sound_alone_is_refused(tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", 44100)
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        silence.sample_rate = 44100
        container.mux(stream.encode(silence))
        container.mux(stream.encode())
    with pytest.raises(InputError, match="has no pictures"):
        read_clip(path)


def test_long_clips_are_refused(video: Path, tmp_path: Path) -> None:
    first, *others = coloured_frames(20)
    first.save(tmp_path / "long.gif", save_all=True, append_images=others, duration=40)
    for path in (video, tmp_path / "long.gif"):
        assert read_clip(path, max_seconds=0.8).count == 20
        with pytest.raises(InputError, match="cut it to that"):
            read_clip(path, max_seconds=0.7)


def test_a_failed_writing_leaves_nothing(tmp_path: Path) -> None:
    pytest.importorskip("av")

    def failing() -> Any:
        yield coloured_frames(1)[0]
        raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        write_clip(failing(), 25, tmp_path / "clip.mp4")
    with pytest.raises(InputError, match="no frames"):
        write_clip([], 25, tmp_path / "clip.mp4")
    assert not list(tmp_path.iterdir())


def test_without_pyav_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, video: Path
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "av", None)
    with pytest.raises(MissingPackageError, match=r'pip install "fiancee-hub\[faces\]"'):
        clips.read_clip(video)


@quick
@given(
    st.lists(st.floats(0.001, 0.5), min_size=1, max_size=30),
    st.floats(1, 60),
    st.integers(1, 60),
)
def test_a_constant_rate_never_goes_back(steps: list[float], fps: float, count: int) -> None:
    times = np.cumsum([0.0, *steps[1:]]).tolist()
    given_items = list(at_rate(zip(times, range(len(times)), strict=True), fps, count))
    assert len(given_items) == count
    assert given_items == sorted(given_items)
    for index, item in enumerate(given_items):
        due = (index + 0.25) / fps
        assert times[item] <= due or item == 0
        assert item == len(times) - 1 or times[item + 1] > due


def test_a_constant_rate_of_nothing_is_nothing() -> None:
    assert list(at_rate(iter(()), 25, 3)) == []
