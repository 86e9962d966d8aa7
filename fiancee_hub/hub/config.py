"""config.json of a checkpoint: typed, checked, and with errors that name the field."""

import dataclasses
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fiancee_hub.core.cost import Costs
from fiancee_hub.core.domain import ClassEntry, Domain
from fiancee_hub.core.errors import CheckpointError
from fiancee_hub.core.exits import ExitConfig, GuideConfig
from fiancee_hub.core.family import family, names
from fiancee_hub.core.lfs import check_fetched
from fiancee_hub.core.recipe import GeneratorConfig, Recipe, first_exit
from fiancee_hub.core.router import MARGINS, Calibration
from fiancee_hub.hub import format1
from fiancee_hub.hub.fields import FieldError, bound, parse, parse_dataclass

FORMAT = 2
MAX_CONFIG_BYTES = 2**20

LONGEST_LINE = 200
"""Characters of a title or summary."""

MOST_EXAMPLES = 64
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}|")
"""Of a domain; it becomes part of links and file names."""

EXAMPLE = re.compile(r"examples/[A-Za-z0-9][A-Za-z0-9._-]{0,79}\.(png|jpg)")
SHA256 = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True)
class CheckpointConfig:
    """Everything about a checkpoint that is no tensor.

    Args:
        family: name of the generator family, as ``core.family`` lists them.
        generator: shape of the trunk.
        classes: id, name and colour of every class of a label map; none for faces.
        exits: the branches, cheapest first; full depth is not listed.
        guides: size of the guide bank.
        costs: MACs of every exit.
        calibration: margins of the router; None: no guarantee, the router uses the mean alone.
        domain: what it was trained on, and what to say about it.
        format: version of this layout.
    """

    family: str
    generator: GeneratorConfig
    classes: tuple[ClassEntry, ...]
    exits: tuple[ExitConfig, ...]
    guides: GuideConfig
    costs: Costs
    calibration: Calibration | None = None
    domain: Domain = field(default_factory=Domain)
    format: int = FORMAT

    def __repr__(self) -> str:
        """Family, size and exits in one line."""
        shape = self.generator
        name = f" '{self.domain.name}'" if self.domain.name else ""
        classes = f", {len(self.classes)} classes" if self.classes else ""
        calibrated = "calibrated" if self.calibration else "not calibrated"
        return (
            f"<CheckpointConfig {self.family}{name}: {shape.width}x{shape.height}, "
            f"{len(self.exits) + 1} exits{classes}, {calibrated}>"
        )


def untrained(
    family: str,
    recipe: Recipe,
    classes: tuple[ClassEntry, ...] = (),
    domain: Domain = Domain(),
) -> CheckpointConfig:
    """Of a checkpoint before its training; its costs are yet to be counted."""
    costs = Costs((1,) * (len(recipe.exits) + 1), 0, 0, 0)
    return CheckpointConfig(
        family, recipe.generator, classes, recipe.exits, recipe.guides, costs, domain=domain
    )


def to_json(config: CheckpointConfig) -> str:
    return json.dumps(dataclasses.asdict(config), indent=1) + "\n"


def read_config(path: Path) -> CheckpointConfig:
    """Reads and checks config.json, of this format or an earlier one.

    Raises:
        CheckpointError: it is missing, no JSON, of an unknown format version, or a field is
            missing, unknown, of the wrong type or out of bounds.
    """
    return parse_config(_read_object(path), path)


def parse_config(raw: dict[str, Any], path: Path) -> CheckpointConfig:
    """Checks the content of a config.json; errors name ``path``. See ``read_config``."""
    version = raw.get("format")
    if type(version) is not int or version not in (format1.FORMAT, FORMAT):
        raise CheckpointError(
            f"{path}: field 'format' is {version!r}, this version reads {format1.FORMAT} and "
            f"{FORMAT}: upgrade the package or choose another revision"
        )
    try:
        if version == FORMAT:
            return _parse_config(raw)
        config = _parse_config(format1.upgraded(raw) | {"format": FORMAT})
        return dataclasses.replace(config, domain=format1.domain_of(config.family, config.classes))
    except FieldError as error:
        raise CheckpointError(f"{path}: field '{error.field}' {error}") from None


def _read_object(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > MAX_CONFIG_BYTES:
            raise CheckpointError(f"{path}: larger than {MAX_CONFIG_BYTES} bytes")
        check_fetched(path)
        raw = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: no valid JSON ({error})") from error
    if not isinstance(raw, dict):
        raise CheckpointError(f"{path}: not a JSON object")
    return raw


def _parse_config(raw: dict[str, Any]) -> CheckpointConfig:
    raw = _with_sequences(raw)
    name = parse(str, raw.get("family"), "family")
    if name not in names():
        raise FieldError("family", f"is {name!r}, not one of {list(names())}")
    shape = family(name).config
    config: CheckpointConfig = parse_dataclass(CheckpointConfig, raw, "", generator=shape)
    _check_bounds(config)
    return config


def _with_sequences(raw: dict[str, Any]) -> dict[str, Any]:
    """Older files have one sequence of margins at most for each budget: a number or null."""
    calibration = raw.get("calibration")
    if not isinstance(calibration, dict):
        return raw
    found = calibration.get("openings")
    if not isinstance(found, list) or any(isinstance(one, list) for one in found):
        return raw
    lists = [[] if one is None else [one] for one in found]
    return raw | {"calibration": calibration | {"openings": lists}}


def _check_bounds(config: CheckpointConfig) -> None:
    """Refuses shapes that no real model has, before anything is built from them."""
    family(config.family).check(config.generator)
    bound("exits", len(config.exits), 0, 16)
    bound("guides.entries", config.guides.entries, 0, 65536)
    for value in config.guides.value_shape:
        bound("guides.value_shape", value, 1, 1024)
    _check_guides(config)
    _check_exits(config)
    _check_calibration(config)
    _check_classes(config)
    check_domain(config.domain, config.classes)


def _check_classes(config: CheckpointConfig) -> None:
    for index, entry in enumerate(config.classes):
        for part in entry.colour:
            bound(f"classes[{index}].colour", part, 0, 255)
    classes = config.generator.classes
    if [entry.id for entry in config.classes] != list(range(classes)):
        raise FieldError("classes", f"does not list the {classes} ids from 0 on in order")


def check_domain(domain: Domain, classes: tuple[ClassEntry, ...]) -> None:
    """Refuses what a checkpoint with these classes cannot say.

    Raises:
        FieldError: naming the field of config.json.
    """
    known = {entry.name for entry in classes}
    if not NAME.fullmatch(domain.name):
        raise FieldError("domain.name", "is not made of a to z, 0 to 9 and -")
    for field_name in ("title", "summary", "licence"):
        line = getattr(domain, field_name)
        if len(line) > LONGEST_LINE or not (line.isprintable()):
            raise FieldError(f"domain.{field_name}", f"is no line of up to {LONGEST_LINE} letters")
    for name, colours in domain.aliases.items():
        if name not in known:
            raise FieldError(f"domain.aliases.{name}", "is no class of this checkpoint")
        for part in (part for colour in colours for part in colour):
            bound(f"domain.aliases.{name}", part, 0, 255)
    if domain.unknown is not None:
        bound("domain.unknown", domain.unknown, 0, len(classes) - 1)
    bound("domain.examples", len(domain.examples), 0, MOST_EXAMPLES)
    for index, example in enumerate(domain.examples):
        if not EXAMPLE.fullmatch(example.file):
            raise FieldError(f"domain.examples[{index}].file", "is no picture in examples/")
        if not SHA256.fullmatch(example.sha256):
            raise FieldError(f"domain.examples[{index}].sha256", "is no SHA-256 in hexadecimal")


def _check_guides(config: CheckpointConfig) -> None:
    channels, height, width = config.guides.value_shape
    if round((channels // 3) ** 0.5) ** 2 * 3 != channels:
        raise FieldError("guides.value_shape", f"has {channels} channels, not 3, 12, 27 or alike")
    if config.guides.form != "regions":
        return
    shape = config.generator
    if not shape.classes or config.guides.entries not in (0, shape.classes):
        raise FieldError("guides.entries", f"is not the number of classes, {shape.classes}")
    folded = 12, shape.height // 2, shape.width // 2
    if (channels, height, width) != folded:
        raise FieldError("guides.value_shape", f"is not {list(folded)}, the picture's pixels")


def _check_exits(config: CheckpointConfig) -> None:
    for index, entry in enumerate(config.exits):
        earliest = first_exit(config.generator)
        bound(f"exits[{index}].stage", entry.stage, earliest, config.generator.stages - 2)
        bound(f"exits[{index}].scale_factor", entry.scale_factor, 1, 64)
    if len(config.costs.exits) != len(config.exits) + 1:
        raise FieldError("costs.exits", "does not list one cost for each exit and full depth")
    for cost in config.costs.exits:
        bound("costs.exits", cost, 1, 2**63)


def _check_calibration(config: CheckpointConfig) -> None:
    calibration = config.calibration
    if calibration is None:
        return
    if len(calibration.budgets) != len(calibration.margins):
        raise FieldError("calibration.margins", "is not as long as calibration.budgets")
    if len(calibration.openings) not in (0, len(calibration.budgets)):
        raise FieldError("calibration.openings", "is not as long as calibration.budgets")
    if any(start not in MARGINS for starts in calibration.openings for start in starts):
        raise FieldError("calibration.openings", "has margins that calibration does not try")
    if list(calibration.budgets) != sorted(set(calibration.budgets)):
        raise FieldError("calibration.budgets", "is not ascending")
