"""Checkpoints: what is saved comes back, and every damage has one error that names it."""

import dataclasses
import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny import maps, noise
from torch import Tensor

from fiancee_hub import CheckpointError, FianceePipeline
from fiancee_hub.core.exits import EarlyExitModel
from fiancee_hub.core.lfs import check_fetched
from fiancee_hub.families.label_maps.convert import read_pickle
from fiancee_hub.hub.checkpoints import CONFIG, WEIGHTS, load_checkpoint, resolve, save_checkpoint
from fiancee_hub.hub.config import read_config, to_json
from fiancee_hub.training.state import load_state


def test_saved_again_is_the_same(tiny_checkpoint: Path, tmp_path: Path) -> None:
    model, config = load_checkpoint(tiny_checkpoint)
    save_checkpoint(tmp_path, model, config)
    again, same = load_checkpoint(tmp_path)
    assert same == config
    for exit_index in range(1, model.exits + 1):
        before = model(maps(2), noise(2), exit_index=exit_index)
        assert torch.equal(before, again(maps(2), noise(2), exit_index=exit_index))
    assert (tmp_path / WEIGHTS).read_bytes() == (tiny_checkpoint / WEIGHTS).read_bytes()


def test_the_same_tensors_make_the_same_file(tiny_checkpoint: Path, tmp_path: Path) -> None:
    model, config = load_checkpoint(tiny_checkpoint)
    for index in range(8):
        save_checkpoint(tmp_path / str(index), model, config)
    assert len({(tmp_path / str(i) / WEIGHTS).read_bytes() for i in range(8)}) == 1


def test_storage_changes_pictures_invisibly(tiny_checkpoint: Path, model: EarlyExitModel) -> None:
    loaded, _ = load_checkpoint(tiny_checkpoint)
    exact = model(maps(2), noise(2), exit_index=4)
    torch.testing.assert_close(loaded(maps(2), noise(2), exit_index=4), exact, atol=0.02, rtol=0)


def test_config_comes_back(tiny_checkpoint: Path, tmp_path: Path) -> None:
    config = read_config(tiny_checkpoint / CONFIG)
    uncalibrated = dataclasses.replace(config, calibration=None)
    (tmp_path / CONFIG).write_text(to_json(uncalibrated))
    assert read_config(tmp_path / CONFIG) == uncalibrated


def test_the_pipeline_saves_what_it_loads(pipeline: FianceePipeline, tmp_path: Path) -> None:
    pipeline.save_pretrained(tmp_path)
    again = FianceePipeline.from_pretrained(tmp_path)
    label_map = maps(1)[0]
    assert again(label_map, budget=0.1).image == pipeline(label_map, budget=0.1).image


def edited(**changes: Any) -> Callable[[Path], None]:
    """A damage that sets fields of config.json; a name's double underscores go deeper."""

    def damage(folder: Path) -> None:
        raw = json.loads((folder / CONFIG).read_text())
        for name, value in changes.items():
            *parents, last = name.split("__")
            place = raw
            for parent in parents:
                place = place[int(parent) if parent.isdigit() else parent]
            place[int(last) if last.isdigit() else last] = value
        (folder / CONFIG).write_text(json.dumps(raw))

    return damage


def without(field: str) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        raw = json.loads((folder / CONFIG).read_text())
        del raw[field]
        (folder / CONFIG).write_text(json.dumps(raw))

    return damage


def written(name: str, content: bytes) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        (folder / name).write_bytes(content)

    return damage


def removed(name: str) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        (folder / name).unlink()

    return damage


def tensors(change: Callable[[dict[str, Tensor]], object]) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        found = load_file(folder / WEIGHTS)
        change(found)
        save_file(found, folder / WEIGHTS)

    return damage


def truncated(folder: Path) -> None:
    content = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(content[: len(content) // 2])


def poisoned(found: dict[str, Tensor]) -> None:
    found["trunk.to_rgb.weight"][0, 0, 0, 0] = float("nan")


class Trap:
    """Unpickling this raises; nothing must ever do so."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (pytest.fail, ("a pickle was loaded",))


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:%064d\nsize 9\n" % 0
HUGE = 10**12
DAMAGES: dict[str, tuple[Callable[[Path], None], str, str]] = {
    "no config": (removed(CONFIG), CONFIG, "cannot be read"),
    "no weights": (removed(WEIGHTS), WEIGHTS, "cannot be read"),
    "config is no JSON": (written(CONFIG, b"{"), CONFIG, "no valid JSON"),
    "config is no object": (written(CONFIG, b"[]"), CONFIG, "not a JSON object"),
    "config is no text": (written(CONFIG, b"\xff\xfe\x00"), CONFIG, "no valid JSON"),
    "config nests too deep": (written(CONFIG, b"[" * 200_000), CONFIG, "no valid JSON"),
    "config too large": (written(CONFIG, b" " * 2**21), CONFIG, "larger than"),
    "unknown format": (edited(format=99), CONFIG, "'format' is 99"),
    "no format": (without("format"), CONFIG, "'format'"),
    "true as format": (edited(format=True), CONFIG, "'format'"),
    "unknown family": (edited(family="biggan"), CONFIG, "'family'"),
    "field missing": (without("exits"), CONFIG, "'exits' is missing"),
    "field unknown": (edited(depth=3), CONFIG, "'depth' is unknown"),
    "inner field unknown": (edited(generator__depth=3), CONFIG, "'generator.depth' is unknown"),
    "text for a number": (edited(generator__height="64"), CONFIG, "'generator.height'"),
    "fraction for a whole": (edited(generator__height=64.5), CONFIG, "'generator.height'"),
    "number for a list": (edited(exits=3), CONFIG, "'exits'"),
    "null": (edited(generator=None), CONFIG, "'generator'"),
    "infinite": (edited(exits__0__scale_factor=float("inf")), CONFIG, "'exits[0].scale_factor'"),
    "huge scale": (edited(exits__0__scale_factor=10**400), CONFIG, "'exits[0].scale_factor'"),
    "absurd height": (edited(generator__height=HUGE), CONFIG, "'generator.height'"),
    "absurd channels": (edited(generator__channels__1=HUGE), CONFIG, "'generator.channels'"),
    "absurd noise": (edited(generator__noise_channels=HUGE), CONFIG, "'generator.noise_channels'"),
    "absurd guides": (edited(guides__entries=HUGE), CONFIG, "'guides.entries'"),
    "absurd classes": (edited(generator__classes=HUGE), CONFIG, "'generator.classes'"),
    "odd height": (edited(generator__height=65), CONFIG, "no multiple of 32"),
    "no exit": (edited(exits=[], costs__exits=[1]), WEIGHTS, "is unknown to config.json"),
    "exit beyond the trunk": (edited(exits__2__stage=6), CONFIG, "'exits[2].stage'"),
    "hidden too short": (edited(generator__hidden=[8]), CONFIG, "'generator.hidden'"),
    "costs too short": (edited(costs__exits=[1, 2]), CONFIG, "'costs.exits'"),
    "costs of nothing": (edited(costs__exits=[1, 2, 3, 0]), CONFIG, "'costs.exits'"),
    "class ids shuffled": (edited(classes__0__id=4), CONFIG, "'classes'"),
    "colour too bright": (edited(classes__0__colour=[0, 0, 256]), CONFIG, "'classes[0].colour'"),
    "colour of two": (edited(classes__0__colour=[0, 0]), CONFIG, "'classes[0].colour'"),
    "guides of four channels": (
        edited(guides__value_shape=[4, 16, 24]),
        CONFIG,
        "'guides.value_shape'",
    ),
    "guides of no form": (edited(guides__form="pixels"), CONFIG, "'guides.form'"),
    "guides of too few regions": (
        edited(guides__form="regions", guides__value_shape=[12, 32, 48]),
        CONFIG,
        "'guides.entries' is not the number of classes, 6",
    ),
    "guides of small regions": (
        edited(guides__form="regions", guides__entries=6),
        CONFIG,
        "'guides.value_shape'",
    ),
    "margins too short": (edited(calibration__margins=[1]), CONFIG, "'calibration.margins'"),
    "openings too short": (edited(calibration__openings=[1]), CONFIG, "'calibration.openings'"),
    "an opening between margins": (
        edited(
            calibration__margins=[1], calibration__budgets=[0.1], calibration__openings=[[0.25]]
        ),
        CONFIG,
        "'calibration.openings' has margins that calibration does not try",
    ),
    "budgets unordered": (edited(calibration__budgets__0=0.9), CONFIG, "'calibration.budgets'"),
    "margin not finite": (
        edited(calibration__margins__0=float("nan")),
        CONFIG,
        "'calibration.margins[0]'",
    ),
    "domain of format 1": (edited(format=1, family="oasis"), CONFIG, "'domain' is unknown"),
    "domain with a path": (edited(domain__name="../x"), CONFIG, "'domain.name'"),
    "title of two lines": (edited(domain__title="a\nb"), CONFIG, "'domain.title'"),
    "alias of no class": (
        edited(domain__aliases={"moon": [[1, 2, 3]]}),
        CONFIG,
        "'domain.aliases.moon' is no class",
    ),
    "alias too bright": (
        edited(domain__aliases={"car": [[1, 2, 300]]}),
        CONFIG,
        "'domain.aliases.car'",
    ),
    "unknown beyond the classes": (edited(domain__unknown=6), CONFIG, "'domain.unknown'"),
    "example elsewhere": (
        edited(domain__examples=[{"file": "examples/../x.png", "sha256": "0" * 64, "title": ""}]),
        CONFIG,
        "'domain.examples[0].file'",
    ),
    "example without a digest": (
        edited(domain__examples=[{"file": "examples/x.png", "sha256": "", "title": ""}]),
        CONFIG,
        "'domain.examples[0].sha256'",
    ),
    "tensor missing": (
        tensors(lambda found: found.pop("trunk.head.bias")),
        WEIGHTS,
        "'trunk.head.bias' is missing",
    ),
    "tensor unknown": (
        tensors(lambda found: found.update(extra=torch.zeros(1))),
        WEIGHTS,
        "'extra' is unknown",
    ),
    "shape of another config": (
        edited(generator__noise_channels=9),
        WEIGHTS,
        "has shape",
    ),
    "tensor of another shape": (
        tensors(lambda found: found.update({"trunk.head.bias": torch.zeros(17)})),
        WEIGHTS,
        "'trunk.head.bias' has shape (17,)",
    ),
    "tensor of another type": (
        tensors(lambda found: found.update({"trunk.head.bias": torch.zeros(16).double()})),
        WEIGHTS,
        "'trunk.head.bias' is F64",
    ),
    "not a number": (tensors(poisoned), WEIGHTS, "'trunk.to_rgb.weight' holds NaN"),
    "truncated": (truncated, WEIGHTS, "no valid safetensors file"),
    "empty": (written(WEIGHTS, b""), WEIGHTS, "no valid safetensors file"),
    "header of all memory": (written(WEIGHTS, b"\xff" * 64), WEIGHTS, "its header claims"),
    "header longer than the file": (
        written(WEIGHTS, (1000).to_bytes(8, "little") + b"{}"),
        WEIGHTS,
        "its header claims 1000 bytes",
    ),
    "not fetched by Git LFS": (written(WEIGHTS, POINTER), WEIGHTS, "lfs pull`"),
    "config not fetched": (written(CONFIG, POINTER), CONFIG, "is a Git LFS pointer"),
    "a renamed pickle": (written(WEIGHTS, pickle.dumps(Trap())), WEIGHTS, "its header claims"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_has_one_error_that_names_it(
    name: str, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    damage, file, reason = DAMAGES[name]
    folder = tmp_path / "checkpoint"
    shutil.copytree(tiny_checkpoint, folder)
    damage(folder)
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(folder)
    assert str(folder / file) in str(caught.value)
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_torch_pickle_is_never_looked_at(tiny_checkpoint: Path, tmp_path: Path) -> None:
    shutil.copy(tiny_checkpoint / CONFIG, tmp_path)
    for name in ("pytorch_model.bin", "model.pt", "model.safetensors.bin"):
        (tmp_path / name).write_bytes(pickle.dumps(Trap()))
    torch.save({"trap": Trap()}, tmp_path / WEIGHTS)
    with pytest.raises(CheckpointError, match=WEIGHTS):
        FianceePipeline.from_pretrained(tmp_path)


@pytest.mark.parametrize(
    "model_id", ["no/such/folder", "/no/such/folder", "user/repo", "user/repo@v1", "a b"]
)
def test_no_such_checkpoint(model_id: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CheckpointError, match="checkpoint"):
        resolve(model_id, local_files_only=True, cache_dir=tmp_path)


@pytest.mark.parametrize("nothing", [None, "", " ", 7, b"weights", ["user/repo"]])
def test_no_name_is_refused_at_once(nothing: Any) -> None:
    with pytest.raises(CheckpointError, match="a folder or a repository such as 'user/repo'"):
        FianceePipeline.from_pretrained(nothing)


def test_a_folder_has_no_revision(tiny_checkpoint: Path) -> None:
    with pytest.raises(CheckpointError, match="is a folder, which has no revision 'v9'"):
        FianceePipeline.from_pretrained(tiny_checkpoint, revision="v9")


@pytest.mark.parametrize("revision", [3, ["main"], b"main", ""])
def test_a_revision_that_is_none_is_named(revision: Any) -> None:
    with pytest.raises(CheckpointError, match="is no revision"):
        FianceePipeline.from_pretrained("user/streets", revision=revision, local_files_only=True)


def test_a_file_is_no_checkpoint(tiny_checkpoint: Path) -> None:
    with pytest.raises(CheckpointError, match="is a file: give the folder"):
        resolve(tiny_checkpoint / WEIGHTS)


def test_a_folder_that_hides_a_repository_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "user" / "repo").mkdir(parents=True)
    with pytest.raises(CheckpointError) as caught:
        resolve("user/repo")
    assert f"was taken for the folder of that name, {tmp_path / 'user' / 'repo'}" in str(
        caught.value
    )
    assert "for the repository on the Hub write 'user/repo@main'" in str(caught.value)
    with pytest.raises(CheckpointError, match="write 'user/repo@v9'"):
        resolve("user/repo", revision="v9")
    with pytest.raises(CheckpointError, match="is not in the cache"):
        resolve("user/repo@main", local_files_only=True, cache_dir=tmp_path)


def test_a_folder_of_a_repositorys_name_that_is_a_checkpoint_is_taken(
    tiny_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(tiny_checkpoint, tmp_path / "user" / "repo")
    assert FianceePipeline.from_pretrained("user/repo").loaded_from == tmp_path / "user" / "repo"


def test_a_relative_path_is_found_from_another_folder_too(
    tiny_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(tiny_checkpoint, tmp_path / "checkpoints" / "mine")
    (tmp_path / "checkpoints" / "mine" / "training.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    pipes = (
        FianceePipeline.from_pretrained("checkpoints/mine"),
        FianceePipeline.from_pretrained("checkpoints", subfolder="mine"),
    )
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    for pipe in pipes:
        again = pickle.loads(pickle.dumps(pipe))
        assert again.loaded_from == pipe.loaded_from == tmp_path / "checkpoints" / "mine"
        pipe.save_pretrained("saved")
        assert Path("saved/training.json").is_file()
        shutil.rmtree("saved")


def test_a_folder_of_too_long_a_name(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="checkpoint"):
        resolve(str(tmp_path / ("a" * 300)))


def test_files_that_git_lfs_left_out_are_named_everywhere(tmp_path: Path) -> None:
    for name in ("official.pth", "model.safetensors", "state.safetensors"):
        (tmp_path / name).write_bytes(POINTER)
    readers: tuple[Callable[[], object], ...] = (
        lambda: read_pickle(tmp_path / "official.pth"),
        lambda: load_state(tmp_path / "state.safetensors"),
        lambda: check_fetched(tmp_path / "model.safetensors"),
    )
    for read in readers:
        with pytest.raises(CheckpointError, match=r"fetch it with `git lfs install && git -C .*`"):
            read()


def test_a_revision_is_passed_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[tuple[str, str, str | None]] = []

    def download(repo: str, name: str, revision: str | None = None) -> str:
        asked.append((repo, name, revision))
        return str(tmp_path / name)

    monkeypatch.setattr("fiancee_hub.hub.download.hf_hub_download", download)
    assert resolve("user/repo@abc") == tmp_path
    assert asked == [("user/repo", CONFIG, "abc"), ("user/repo", WEIGHTS, "abc")]


def test_older_openings_are_sequences_of_their_own(tiny_checkpoint: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_checkpoint, tmp_path / "older")
    edited(
        calibration={
            "level": 0.9,
            "confidence": 0.9,
            "samples": 100,
            "budgets": [0.1, 0.2],
            "margins": [None, 1.0],
            "openings": [None, 2.5],
        }
    )(folder)
    calibration = read_config(folder / CONFIG).calibration
    assert calibration is not None and calibration.openings == ((), (2.5,))
