"""Python lines that hold a label map, as links do, and make its picture."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from space.label_maps.packed import drawing_of
from space.result.code import Recipe, checkpoint_of, wrapped

IMPORTS = (
    "import base64",
    "import zlib",
    "",
    "import numpy as np",
    "from fiancee_hub import FianceePipeline",
)
UNPACK = (
    "places = np.frombuffer(zlib.decompress(base64.urlsafe_b64decode(packed), -15), np.uint8)",
    "ids = np.array([entry.id for entry in pipe.config.classes], np.uint8)",
    "label_map = ids[places].reshape(pipe.size)",
)


def recipe(pipe: Any, ids: NDArray[np.integer], seed: int) -> Recipe:
    """How the picture of class ids (height, width) is made: any map, no file needed."""
    packed = drawing_of(pipe).write(ids)
    packed += "=" * (-len(packed) % 4)
    inputs = (*wrapped("packed", packed), *UNPACK)
    return Recipe(checkpoint_of(pipe), IMPORTS, inputs, f"label_map, seed={seed}")
