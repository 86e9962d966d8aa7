"""``python -m fiancee_hub faces``: the faces of a photograph, to choose one with ``--face``."""

import argparse
import json
from pathlib import Path
from typing import Any

from fiancee_hub.core.errors import InputError

COMMAND = "faces"


def add_parser(subparsers: Any) -> None:
    """Adds ``faces`` to the command line."""
    parser = subparsers.add_parser(COMMAND, help="the faces of a photograph, largest first")
    parser.add_argument("photo", type=Path, help="a photograph")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Prints number, size and place of every face."""
    if not arguments.photo.is_file():
        raise InputError(f"there is no file {arguments.photo}: check the path")
    from fiancee_hub.families.faces.landmarks.landmarker import FaceLandmarker
    from fiancee_hub.families.faces.photos import LEAST_FACE, find_faces, read_photo

    faces = find_faces(read_photo(arguments.photo).image, FaceLandmarker())
    rows = [
        {
            "face": number,
            "size": round(face.size),
            "box": [round(edge) for edge in face.box.tolist()],
            "usable": face.size >= LEAST_FACE,
        }
        for number, face in enumerate(faces)
    ]
    print(json.dumps(rows, indent=1) if arguments.json else "\n".join(_line(row) for row in rows))
    return 0


def _line(row: dict[str, Any]) -> str:
    left, top, right, bottom = row["box"]
    small = "" if row["usable"] else ", too small to be used"
    where = f"from {left}, {top} to {right}, {bottom}"
    return f"--face {row['face']}: {row['size']} pixels, {where}{small}"
