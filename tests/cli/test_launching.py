"""The training commands as README and docs state them, under the launcher that they state."""

import re
import shlex
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch.distributed.run import get_args_parser

from fiancee_hub.cli.main import _parser, main
from fiancee_hub.cli.train import _accelerator

ROOT = Path(__file__).resolve().parents[2]
PAGES = ("README.md", "docs/training.md")
TORCHRUN = re.compile(r"^ {4}(?:\w+=\S+ )*torchrun (.*)$", re.MULTILINE)
LINES = [line for page in PAGES for line in TORCHRUN.findall((ROOT / page).read_text())]


def handed_on(line: str) -> list[str]:
    """What torchrun hands on to the package; a trailing "…" stands for what a user fills in."""
    words = [word for word in shlex.split(line) if word != "…"]
    launched = get_args_parser().parse_args(words)
    assert launched.module and launched.training_script == "fiancee_hub"
    return list(launched.training_script_args)


def test_the_pages_state_some() -> None:
    assert len(LINES) >= 4 and any("--from" in line for line in LINES)


@pytest.mark.parametrize("line", LINES)
def test_a_documented_line_reaches_the_training(line: str) -> None:
    words = handed_on(line)
    assert words[0] == "train"
    missing = [] if "--data" in words else ["--data", "data"]
    if "--run-folder" not in words and words[1] == "all":
        missing += ["--run-folder", "runs"]
    arguments = _parser(words).parse_args(words + missing)
    if "--from" in words:
        assert arguments.start == "weights_card/streets/resume.safetensors"


def test_every_option_of_the_training_gets_through(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["train", "all", "--help"])
    flags = set(re.findall(r"--[a-z][a-z-]+", capsys.readouterr().out)) - {"--start", "--help"}
    assert {"--from", "--data", "--run-folder", "--out"} <= flags
    for flag in flags:
        assert handed_on(f"-m fiancee_hub train all {flag} x") == ["train", "all", flag, "x"]


@pytest.mark.parametrize("flag", ["--from", "--start"])
def test_the_former_name_still_works(flag: str) -> None:
    words = ["train", "guides", "--data", "d", "--run-folder", "r", flag, "packed.safetensors"]
    assert _parser(words).parse_args(words).start == "packed.safetensors"


@pytest.mark.parametrize(
    ("capability", "has", "said"), [("AVX2", False, 1), ("AVX512", False, 1), ("AVX512", True, 0)]
)
def test_a_processor_without_bfloat16_is_told_of(
    capability: str,
    has: bool,
    said: int,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": has}, raising=False)
    # A process has one precision for good, and others may have chosen another before.
    one = SimpleNamespace(device=torch.device("cpu"))
    monkeypatch.setattr("accelerate.Accelerator", lambda **options: one)
    words = ["train", "all", "--data", "data", "--cpu", "--precision", "bf16"]
    assert _accelerator(_parser(words).parse_args(words)) is one
    lines = [record.getMessage() for record in caplog.records]
    assert sum("imitates it slowly: leave --precision out" in line for line in lines) == said
