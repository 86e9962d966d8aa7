"""Which family a folder of prepared data belongs to."""

from pathlib import Path

from fiancee_hub.errors import DataError
from fiancee_hub.training.data import DataFolder
from fiancee_hub.training.face_data import FaceFolder
from fiancee_hub.training.faces_task import FacesTask
from fiancee_hub.training.streets_task import StreetsTask
from fiancee_hub.training.task import Task


def task_of(folder: Path) -> Task:
    """The task of the data that ``train prepare`` wrote to ``folder``.

    Raises:
        DataError: the folder is not prepared.
    """
    if (folder / "frames.json").is_file():
        return FacesTask(FaceFolder(folder))
    if (folder / "classes.json").is_file():
        return StreetsTask(DataFolder(folder))
    raise DataError(f"{folder} has neither classes.json nor frames.json: run `train prepare` first")
