"""Which family a folder of data belongs to, and what is trained on it."""

from dataclasses import replace
from pathlib import Path

from fiancee_hub.core.errors import DataError
from fiancee_hub.families.faces.training.backbone import PortraitSettings
from fiancee_hub.families.faces.training.pairs import FaceFolder
from fiancee_hub.families.faces.training.task import FacesTask
from fiancee_hub.families.label_maps.classes import ClassEntry
from fiancee_hub.families.label_maps.config import OasisConfig
from fiancee_hub.families.label_maps.own_data.layout import is_own
from fiancee_hub.families.label_maps.shapes import streets_generator, streets_recipe
from fiancee_hub.families.label_maps.training.backbone import LabelMapSettings
from fiancee_hub.families.label_maps.training.class_table import TABLE
from fiancee_hub.families.label_maps.training.photographs import DataFolder
from fiancee_hub.families.label_maps.training.task import StreetsTask
from fiancee_hub.hub.config import CheckpointConfig
from fiancee_hub.training.task import Task

FRAMES = "frames.json"


def task_of(
    folder: Path,
    *,
    size: tuple[int, int] | None = None,
    backbone: CheckpointConfig | None = None,
    batch_size: int | None = None,
    workers: int = 0,
) -> Task:
    """The task of prepared data.

    Args:
        folder: what ``train prepare`` wrote.
        size: height and width of the pictures; None leaves it to the data or the recipe.
        backbone: of a checkpoint whose trunk is the backbone; None if one is trained.
        batch_size: pictures in a step of a process; None leaves it to the phases.
        workers: processes that draw batches of the backbone's phase.

    Raises:
        DataError: the folder is not prepared, or has other classes or another size.
    """
    if (folder / FRAMES).is_file():
        if size or (backbone and backbone.family != "faces"):
            raise DataError(f"{folder} holds faces: they have a size and a backbone of their own")
        settings = PortraitSettings(workers=workers)
        if batch_size:
            settings = replace(settings, batch_size=batch_size)
        return FacesTask(FaceFolder(folder), settings=settings)
    if (folder / TABLE).is_file() and not is_own(folder):
        return _streets(DataFolder(folder), size, backbone, batch_size)
    raise DataError(
        f"{folder} has neither {FRAMES} nor {TABLE}: run `train prepare` first, or lay out your "
        "own data as docs/training.md says"
    )


def _streets(
    data: DataFolder,
    size: tuple[int, int] | None,
    backbone: CheckpointConfig | None,
    batch_size: int | None,
) -> StreetsTask:
    generator = streets_generator(len(data.classes), size or data.table.size)
    if backbone is not None:
        generator = fitting(data.classes, data.root, backbone)
    found = generator.height, generator.width
    for other in (size, data.table.size):
        if other not in (None, found):
            raise DataError(
                f"the pictures are to be {found[0]}x{found[1]}, but {data.root} or --size says "
                f"{other[0]}x{other[1]}: prepare the data anew in another run folder"
            )
    settings = LabelMapSettings()
    if batch_size:
        settings = replace(settings, batch_size=batch_size)
    recipe = streets_recipe(generator, len(data.names("maps")))
    return StreetsTask(data, recipe, settings)


def fitting(classes: tuple[ClassEntry, ...], root: Path, backbone: CheckpointConfig) -> OasisConfig:
    """The backbone's shape, if it was made for the classes of the data in ``root``.

    Raises:
        DataError: it was made for others, or for faces.
    """
    ours, theirs = ([entry.name for entry in c] for c in (classes, backbone.classes))
    if not isinstance(backbone.generator, OasisConfig) or ours != theirs:
        pairs = zip(ours, theirs, strict=False)
        differ = next((f"{a!r} is {b!r} there" for a, b in pairs if a != b), "")
        raise DataError(
            f"{root / TABLE} has {len(ours)} classes, the checkpoint {len(theirs)}"
            f"{differ and f', and {differ}'}: convert it with the class table of the data"
        )
    return backbone.generator
