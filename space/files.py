"""Pictures as files that the page can fetch."""

import tempfile
from pathlib import Path

from gradio.processing_utils import save_file_to_cache
from gradio.utils import get_upload_folder
from PIL import Image


def stored(picture: Image.Image, name: str = "picture") -> str:
    """Path of a PNG in Gradio's cache; equal pictures share one file.

    Given a picture instead, Gradio writes over the file of an equal one, even while another
    visitor is fetching it, who then sees half a picture or none.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{name}.png"
        picture.save(path)
        return save_file_to_cache(path, get_upload_folder())
