"""docs/checkpoint.md is enough: a reader that knows only that page agrees with the library."""

import dataclasses
from pathlib import Path
from types import ModuleType

import checkpoint_reader as reader
import numpy as np
import pytest
import tiny
import tiny_faces
import torch

from fiancee_hub.core.cost import count
from fiancee_hub.core.exits import EarlyExitModel, ExitConfig, GuideConfig
from fiancee_hub.core.recipe import Recipe
from fiancee_hub.core.router import BUDGETS, Calibration, route
from fiancee_hub.families.faces.shapes import PORTRAIT_CONFIGS
from fiancee_hub.families.label_maps.config import OasisConfig
from fiancee_hub.families.label_maps.shapes import OASIS_CONFIGS
from fiancee_hub.hub.checkpoints import CONFIG, WEIGHTS, build, load_checkpoint, save_checkpoint
from fiancee_hub.hub.config import CheckpointConfig, to_json, untrained

SHIPPED = Path(__file__).resolve().parents[2] / "weights_card"
SPADE = OasisConfig(6, 32, 64, (16, 16, 8, 8), noise_channels=4, modulation="spade")
MARGINS: tuple[float | None, ...] = (None, None, *((3.0, 0.5, -0.4) * 20)[: len(BUDGETS) - 2])


def config_of(module: ModuleType) -> CheckpointConfig:
    classes = tiny.CLASSES if module is tiny else ()
    family = "label_maps" if module is tiny else "faces"
    return untrained(family, Recipe(module.GENERATOR, module.EXITS, module.GUIDES), classes)


def spade() -> tuple[EarlyExitModel, CheckpointConfig]:
    recipe = Recipe(SPADE, (ExitConfig(1, 2),), GuideConfig())
    config = untrained("label_maps", recipe, tiny.CLASSES)
    torch.manual_seed(0)
    return build(config).eval(), config


@pytest.fixture(
    scope="module", params=["streets", "faces", "tiny", "regions", "tiny_faces", "spade"]
)
def checkpoint(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Those that we ship, and one of every form of a generator."""
    if (SHIPPED / request.param).is_dir():
        return SHIPPED / request.param
    if request.param == "spade":
        model, config = spade()
    elif request.param == "regions":
        model, config = tiny.random_model(guides=tiny.REGIONS), config_of(tiny)
        config = dataclasses.replace(config, guides=tiny.REGIONS)
    else:
        module = tiny if request.param == "tiny" else tiny_faces
        model, config = module.random_model(), config_of(module)
    calibration = Calibration(0.9, 0.9, 500, BUDGETS, MARGINS)
    folder = tmp_path_factory.mktemp(request.param)
    config = dataclasses.replace(config, costs=count(model), calibration=calibration)
    save_checkpoint(folder, model, config, exact=request.param == "spade")
    return folder


def test_the_config_says_which_tensors_there_are(checkpoint: Path) -> None:
    tensors, _ = reader.read_tensors(checkpoint / WEIGHTS)
    assert {name: tensor.shape for name, tensor in tensors.items()} == reader.shapes(
        reader.read_config(checkpoint)
    )


def test_both_readers_see_the_same_values(checkpoint: Path) -> None:
    tensors, stated = reader.read_tensors(checkpoint / WEIGHTS)
    assert reader.digest(tensors) == stated
    loaded = load_checkpoint(checkpoint)[0].state_dict()
    assert loaded.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert np.array_equal(loaded[name].numpy(), tensor), name


def test_both_readers_take_the_same_exit(checkpoint: Path) -> None:
    config, calibration = reader.read_config(checkpoint), load_checkpoint(checkpoint)[1].calibration
    random = np.random.default_rng(0)
    branches, seen = len(config["exits"]), set()
    for wanted in (0.0, 0.001, *BUDGETS, 0.0125, 0.07, 0.5, 1.0):
        mean = np.sort(random.uniform(0, 0.3, branches))[::-1]
        spread = random.uniform(0, 0.05, branches)
        for promise in (calibration, None):
            known = config | ({} if promise else {"calibration": None})
            chosen = reader.choose(known, mean, spread, wanted)
            assert chosen == route(mean, spread, wanted, promise)
            seen.add(chosen)
    assert seen == set(range(1, branches + 2))


def test_the_predictor_by_the_page(checkpoint: Path) -> None:
    config = reader.read_config(checkpoint)
    if config["family"] != "label_maps":
        pytest.skip("the page leaves this family's maps to the code")
    model, _ = load_checkpoint(checkpoint)
    shape, random = config["generator"], np.random.default_rng(1)
    size = shape["height"], shape["width"]
    label_map = random.integers(0, shape["classes"], size, dtype=np.uint8)
    noise = random.standard_normal(shape["noise_channels"]).astype(np.float32)
    tensors, _ = reader.read_tensors(checkpoint / WEIGHTS)
    found = reader.predict(tensors, reader.label_views(config, label_map), noise)
    with torch.inference_mode():
        inputs = torch.from_numpy(label_map)[None], torch.from_numpy(noise)[None]
        expected = model.predict(model.start(*inputs))
    for mine, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(mine, theirs[0].numpy(), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("name", [*OASIS_CONFIGS, *PORTRAIT_CONFIGS])
def test_every_named_generator_is_of_the_described_shape(name: str, tmp_path: Path) -> None:
    generator = (OASIS_CONFIGS | PORTRAIT_CONFIGS)[name]
    exits = (ExitConfig(1, 6), ExitConfig(2, 1.5), ExitConfig(3, 3.3))
    family = "label_maps" if name in OASIS_CONFIGS else "faces"
    config = untrained(family, Recipe(generator, exits, GuideConfig(5, (27, 4, 4))))
    (tmp_path / CONFIG).write_text(to_json(config))
    with torch.device("meta"):
        expected = {name: tuple(v.shape) for name, v in build(config).state_dict().items()}
    assert reader.shapes(reader.read_config(tmp_path)) == expected
