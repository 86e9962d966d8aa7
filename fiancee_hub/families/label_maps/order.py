"""From a folder of label maps and photographs to what is trained on it."""

from dataclasses import replace
from pathlib import Path

from fiancee_hub.core.errors import DataError
from fiancee_hub.families.label_maps.config import OasisConfig
from fiancee_hub.families.label_maps.judging.judge import judge_of
from fiancee_hub.families.label_maps.own_data.folder import prepare_own
from fiancee_hub.families.label_maps.own_data.layout import is_own, read_layout
from fiancee_hub.families.label_maps.shapes import (
    OASIS_CONFIGS,
    streets_generator,
    streets_recipe,
)
from fiancee_hub.families.label_maps.training.backbone import LabelMapSettings
from fiancee_hub.families.label_maps.training.class_table import TABLE
from fiancee_hub.families.label_maps.training.photographs import DataFolder
from fiancee_hub.families.label_maps.training.task import MapsTask
from fiancee_hub.hub.config import CheckpointConfig
from fiancee_hub.training.task import TrainingRequest


def task_of(request: TrainingRequest) -> MapsTask:
    """What is trained on a folder; one's own data is prepared below the run folder first.

    Raises:
        DataError, InputError: the folder has other classes or another size than the backbone, or
            a file of it is wrong.
    """
    data, size = request.data, request.size
    if is_own(data):
        if request.backbone:
            names = [entry.name for entry in read_layout(data, request.domains).table.entries]
            shape = fitting(names, data, request.backbone)
            size = size or (shape.height, shape.width)
        data = request.run_folder / "data"
        prepare(replace(request, size=size), data)
    return _task(DataFolder(data, request.domains), replace(request, size=size))


def prepare(request: TrainingRequest, target: Path) -> None:
    """Prepares one's own data at the size asked for, or at what its table or the recipe says.

    Raises:
        DataError, InputError: naming what is wrong with the data.
    """
    if not is_own(request.data):
        raise DataError(f"{request.data} is prepared already: train on it as it is")
    shipped = OASIS_CONFIGS["streets"]
    table = read_layout(request.data, request.domains).table
    size = request.size or table.size or (shipped.height, shipped.width)
    prepare_own(request.data, target, request.accelerator, size, request.domains)


def _task(data: DataFolder, request: TrainingRequest) -> MapsTask:
    generator = shape_of(data, request.size)
    if request.backbone is not None:
        names = [entry.name for entry in data.classes]
        generator = fitting(names, data.root, request.backbone)
    found = generator.height, generator.width
    for other in (request.size, data.table.size):
        if other not in (None, found):
            raise DataError(
                f"the pictures are to be {found[0]}x{found[1]}, but {data.root} or --size says "
                f"{other[0]}x{other[1]}: prepare the data anew in another run folder"
            )
    settings = LabelMapSettings()
    if request.batch_size:
        settings = replace(settings, batch_size=request.batch_size)
    recipe = streets_recipe(generator, len(data.names("maps")))
    return MapsTask(data, recipe, settings, judge_of)


def shape_of(data: DataFolder, size: tuple[int, int] | None = None) -> OasisConfig:
    """The generator that is trained on a folder, at the given size or the folder's own."""
    return streets_generator(len(data.classes), size or data.table.size)


def fitting(names: list[str], root: Path, backbone: CheckpointConfig) -> OasisConfig:
    """The backbone's shape, if it was made for the classes of the data in ``root``.

    Raises:
        DataError: it was made for others, or is of another family.
    """
    theirs = [entry.name for entry in backbone.classes]
    if not isinstance(backbone.generator, OasisConfig) or names != theirs:
        pairs = zip(names, theirs, strict=False)
        differ = next((f"{a!r} is {b!r} there" for a, b in pairs if a != b), "")
        raise DataError(
            f"{root / TABLE} has {len(names)} classes, the checkpoint {len(theirs)}"
            f"{differ and f', and {differ}'}: convert it with the class table of the data"
        )
    return backbone.generator
