"""Brings photographs and frames of faces into the layout that training reads.

    FOLDER/frames.json            [{"name", "person", "group", "source", "split", "found"}, ...]
    FOLDER/images.npy             (n, 256, 256, 3) uint8
    FOLDER/landmarks.npy          (n, 478, 3) float32, pixels; zeros where no face was found
    FOLDER/expressions.npy        (n, 52) float32, blendshape scores
    FOLDER/identity.safetensors   weights of the identity loss

Frames of one group share crop, light and background: pairs with a true picture come from there.
Splits ``train``, ``val`` (calibration) and ``test`` (evaluation) have no person in common.
"""

import csv
import json
import logging
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from fiancee_hub.core.errors import DataError
from fiancee_hub.core.pictures import rgb_of
from fiancee_hub.families.faces.landmarks.expression import BLENDSHAPES, expression
from fiancee_hub.families.faces.landmarks.landmarker import FaceLandmarker
from fiancee_hub.families.faces.landmarks.pose import LANDMARKS, Floats
from fiancee_hub.families.faces.training.identity import WEIGHTS
from fiancee_hub.families.faces.training.pairs import FILMED, SIZE

logger = logging.getLogger(__name__)


@dataclass
class Row:
    """One line of frames.json."""

    name: str
    person: str
    group: str
    source: str
    split: str
    found: bool = False


def prepare_faces(source: Path, target: Path) -> int:
    """Writes the faces data; landmarks are made by what runs at run time.

    Args:
        source: folder that holds ``faces`` and ``face-identity-2``.
        target: folder to write.

    Returns:
        Number of frames in which a face was found.

    Raises:
        DataError: something is missing in ``source``.
    """
    identity = source / "face-identity-2" / "model.safetensors"
    if not identity.is_file():
        raise DataError(f"{identity} is missing")
    rows = list_frames(source / "faces")
    target.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(identity, target / WEIGHTS)
    _write_arrays(source / "faces" / "images", target, rows)
    frames = json.dumps([asdict(row) for row in rows], indent=1)
    (target / "frames.json").write_text(frames + "\n")
    found = sum(row.found for row in rows)
    logger.info("%d frames, a face in %d", len(rows), found)
    return found


def list_frames(folder: Path) -> list[Row]:
    """All frames of the persons in ``folder/persons.csv``, in its order."""
    table = folder / "persons.csv"
    if not table.is_file():
        raise DataError(f"{table} is missing")
    rows = []
    with table.open(newline="", encoding="utf-8") as file:
        for entry in csv.DictReader(file):
            person, source = entry["person"], entry["source"]
            pictures = sorted((folder / "images" / person).glob("[!.]*.jpg"))
            if not pictures:
                raise DataError(f"{table} lists {person}, who has no images")
            for path in pictures:
                shot = path.stem.partition("_")[0] if source in FILMED else path.stem
                name, group = f"{person}/{path.name}", f"{person}/{shot}"
                rows.append(Row(name, person, group, source, entry["split"]))
    return rows


def _write_arrays(folder: Path, target: Path, rows: list[Row]) -> None:
    """Pictures, landmarks and expressions of all rows; notes in each whether it has a face."""
    shape = len(rows), SIZE, SIZE, 3
    # On the disk from the start: all pictures together may be too much for the memory.
    images = np.lib.format.open_memmap(target / "images.npy", "w+", np.dtype(np.uint8), shape)
    landmarks = np.zeros((len(rows), LANDMARKS, 3), np.float32)
    expressions = np.zeros((len(rows), len(BLENDSHAPES)), np.float32)
    landmarker = FaceLandmarker()
    for index, row in enumerate(tqdm(rows, desc="landmarks")):
        image = read_frame(folder / row.name)
        images[index] = np.asarray(image)
        read = read_face(landmarker, image)
        if read is not None:
            landmarks[index], expressions[index] = read
            row.found = True
    images.flush()
    np.save(target / "landmarks.npy", landmarks)
    np.save(target / "expressions.npy", expressions)


def read_frame(path: Path) -> Image.Image:
    """A stored picture, enlarged to 256 pixels if it is smaller."""
    with Image.open(path) as file:
        image = rgb_of(file)
    if image.size == (SIZE, SIZE):
        return image
    return image.resize((SIZE, SIZE), Image.Resampling.BICUBIC)


def read_face(landmarker: FaceLandmarker, image: Image.Image) -> tuple[Floats, Floats] | None:
    """Landmarks (478, 3) and blendshape scores (52,) of the largest face, if there is one."""
    faces = landmarker(image)
    if not faces:
        return None
    return faces[0].landmarks, expression(faces[0].landmarks, faces[0].pose)
