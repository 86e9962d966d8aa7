"""Example inputs that lie beside config.json, named there with their digests."""

import dataclasses
import hashlib
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fiancee_hub.core.domain import Domain, Example
from fiancee_hub.core.errors import CheckpointError
from fiancee_hub.core.files import replacing, sha256_of
from fiancee_hub.hub.checkpoints import CONFIG, resolve, write_config
from fiancee_hub.hub.config import read_config

EXAMPLES = "examples"


def example_file(folder: Path, example: Example) -> Path:
    """The file of an example, checked.

    Args:
        folder: of the checkpoint.
        example: as its config lists it.

    Raises:
        CheckpointError: it is missing, no plain file, or not what config.json says.
    """
    path = folder / example.file
    if not path.is_file():
        raise CheckpointError(f"{path}: is missing, but {CONFIG} lists it: fetch it again")
    if sha256_of(path) != example.sha256:
        raise CheckpointError(
            f"{path}: does not have the SHA-256 that {CONFIG} states: fetch it again"
        )
    return path


def fetch_examples(model_id: str, domain: Domain, **options: Any) -> None:
    """Downloads the examples of a checkpoint on the Hub beside its config.json in the cache.

    Args:
        model_id: ``"user/repo"`` or ``"user/repo@revision"``.
        domain: of its config.
        options: of ``resolve``.

    Raises:
        CheckpointError: one is not there, or is not what the repository says it is.
    """
    if domain.examples:
        files = tuple(example.file for example in domain.examples)
        resolve(model_id, files=files, **options)


def copy_examples(domain: Domain, source: Path, target: Path) -> None:
    """Copies the examples of a checkpoint folder into another.

    Raises:
        CheckpointError: one is missing or is not what the config says.
    """
    for example in domain.examples:
        path = example_file(source, example)
        (target / EXAMPLES).mkdir(parents=True, exist_ok=True)
        with replacing(target / example.file) as partial:
            shutil.copyfile(path, partial)


def give_domain(folder: Path, domain: Domain, pictures: Mapping[str, Path]) -> None:
    """Makes a checkpoint say what it was trained on; its weights are not touched.

    Args:
        folder: of the checkpoint.
        domain: what it is to say; its ``examples`` are replaced.
        pictures: files to take along as examples, by title.
    """
    examples = []
    for title, picture in pictures.items():
        (folder / EXAMPLES).mkdir(exist_ok=True)
        name, content = f"{EXAMPLES}/{picture.name}", picture.read_bytes()
        if picture.resolve() != (folder / name).resolve():
            with replacing(folder / name) as partial:
                partial.write_bytes(content)
        examples.append(Example(name, hashlib.sha256(content).hexdigest(), title))
    config = read_config(folder / CONFIG)
    domain = dataclasses.replace(domain, examples=tuple(examples))
    write_config(folder, dataclasses.replace(config, domain=domain))


def pictures_in(folder: Path) -> dict[str, Path]:
    """The PNGs of a folder, by title, in the order of their names."""
    return {title_of(path): path for path in sorted(folder.glob("[!.]*.png"))}


def title_of(picture: Path) -> str:
    """``2-open-road.png`` is called "Open road"."""
    words = picture.stem.split("-")
    return " ".join(words[words[0].isdecimal() :]).capitalize()
