"""The CMP Facade Database as a folder of one's own data.

What `train all` reads: ``classes.json``, ``splits/``, links to photographs and label maps, and
example maps that a program has drawn. The data's terms are not known, so it is marked private:
nothing of it goes into a checkpoint's folder.

Tylecek and Sara, GCPR 2013; the pairs are those of pix2pix (Isola et al., CVPR 2017).
"""

import logging
import os
from pathlib import Path

from fiancee_hub.core.errors import DataError
from fiancee_hub.core.files import write_picture, write_text
from fiancee_hub.domains.facades.drawings import EXAMPLES as DRAWN
from fiancee_hub.domains.facades.drawings import draw
from fiancee_hub.families.label_maps.classes import class_named, to_palette_image
from fiancee_hub.families.label_maps.training.class_table import EXAMPLES, TABLE, ClassTable
from fiancee_hub.hub.domains import shipped

logger = logging.getLogger(__name__)

SIZE = 256, 256
SPLITS = ("train", "val", "test")
LINKED = ("images", "labels")

WALL_INSTEAD = ("cornice", "sill", "deco", "molding", "pillar")
"""Ornaments that people who draw a house leave out: the wall goes on there."""

PAINTED_OVER = {
    "shop": ("facade", "door"),
    "balcony": ("window", "facade"),
    "blind": ("window", "facade"),
    "door": ("shop",),
    "window": ("door", "facade"),
}


def facades_table() -> ClassTable:
    """The classes, and what is known of them."""
    known = shipped("facades")

    def ids(*names: str) -> tuple[int, ...]:
        return tuple(class_named(known.classes, name).id for name in names)

    (wall,) = ids("facade")
    return ClassTable(
        known.classes,
        part_of={ornament: wall for ornament in ids(*WALL_INSTEAD)},
        size=SIZE,
        instead={
            **{ornament: (wall,) for ornament in ids(*WALL_INSTEAD)},
            **{ids(old)[0]: ids(*new) for old, new in PAINTED_OVER.items()},
        },
        about=known.domain,
        private=True,
        films=False,
    )


def prepare_facades(source: Path, target: Path) -> dict[str, int]:
    """Writes the folder; ``train all --data`` takes it from there.

    Args:
        source: folder that holds ``cmp-facades``, or that folder itself.
        target: folder to write.

    Returns:
        Number of names in each split.

    Raises:
        DataError: a source folder or list is missing.
    """
    found = source / "cmp-facades" if (source / "cmp-facades").is_dir() else source
    for name in (*(f"{split}.txt" for split in SPLITS), *LINKED):
        if not (found / name).exists():
            raise DataError(f"{found / name} is missing: give the folder of the CMP facades")
    (target / "splits").mkdir(parents=True, exist_ok=True)
    (target / EXAMPLES).mkdir(exist_ok=True)
    write_text(target / TABLE, facades_table().to_json())
    for name in LINKED:
        _link(found / name, target / name)
    counts = {}
    for split in SPLITS:
        text = (found / f"{split}.txt").read_text(encoding="utf-8")
        write_text(target / "splits" / f"{split}.txt", text)
        counts[split] = len(text.split())
        logger.info("%s: %d", split, counts[split])
    for name, house in DRAWN.items():
        picture = to_palette_image(draw(house, SIZE), facades_table().entries)
        write_picture(picture, target / EXAMPLES / f"{name}.png", "PNG")
    return counts


def _link(folder: Path, link: Path) -> None:
    """Points at the data where it lies: it need not be there twice."""
    if link.is_symlink():
        link.unlink()
    elif link.exists():
        raise DataError(f"{link} is there already and is no link: remove it, or write elsewhere")
    os.symlink(folder.resolve(), link, target_is_directory=True)
