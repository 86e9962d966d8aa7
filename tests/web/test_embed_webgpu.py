"""The reader's graphics processor: used where it is granted, right and faster, and nowhere else.

A stand-in for the WebGPU runtime computes with WebAssembly and is right or wrong, fast or slow.
"""

import hashlib
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from embedded import PATIENCE, Embedded, shown
from playwright.sync_api import Page, expect
from static_host import hosting

from fiancee_hub.cli.main import main
from fiancee_hub.core.errors import InputError
from fiancee_hub.families.label_maps.pipeline import LabelMapPipeline
from fiancee_hub.web import runtimes
from fiancee_hub.web.embed import STATIC, embed
from fiancee_hub.web.runtimes import WEBASSEMBLY, WEBGPU

pytest.importorskip("onnxscript")

MODULE = Path(WEBGPU.module).name
RIGHT = "found"
RUNTIME = """
import * as real from "./ort.wasm.bundle.min.mjs";
export const { Tensor, env } = real;
const now = performance.now.bind(performance);
performance.now = () => now() * PACE;
let made = 0;
export const InferenceSession = {
  async create(content, { executionProviders: [provider] }) {
    const session = await real.InferenceSession.create(content, { executionProviders: ["wasm"] });
    const run = async (feeds) => {
      const found = await session.run(feeds);
      made += provider.preferredLayout === "NCHW" && "image" in found;
      return ANSWER;
    };
    return { run };
  },
};
"""
ONE_PIXEL = """{
  if (made === 2 && "image" in found) found.image.data[7] += found.image.data[7] > 0 ? -0.2 : 0.2;
}"""
GRANTED = """Object.defineProperty(navigator, "gpu", {
  value: { requestAdapter: async () => ({ info: { vendor: "some", architecture: "chip" } }) },
});"""


def runtime(pace: str, after: str = "") -> str:
    """The script of a stand-in.

    Args:
        pace: what its clock's times are multiplied with.
        after: what happens to what was ``found``.
    """
    text = RUNTIME.replace("PACE", pace)
    return text.replace("      return ANSWER;", f"      {after}\n      return found;")


FAST, SLOW = runtime("0.001"), runtime("1000")


def pack(folder: Path, module: str) -> dict[str, str]:
    """What npm would bring, and its digests."""
    binary = (STATIC / WEBASSEMBLY.binary).read_bytes()
    files = {WEBGPU.module: module.encode(), WEBGPU.binary: binary}
    with tarfile.open(folder / "runtime.tgz", "w:gz", compresslevel=1) as packed:
        for name, content in files.items():
            path = folder / Path(name).name
            path.write_bytes(content)
            packed.add(path, f"package/dist/{path.name}")
    return {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}


@pytest.fixture(scope="module")
def npm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Folder of a command npm that packs the stand-in."""
    folder = tmp_path_factory.mktemp("npm")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runtimes, "DIGESTS", pack(folder, FAST))
        command = folder / "npm"
        command.write_text(
            '#!/bin/sh\nfor last; do :; done\n/bin/cp "${0%/*}/runtime.tgz" "$last"\n'
        )
        command.chmod(0o755)
        patch.setenv("PATH", str(folder))
        yield folder


@pytest.fixture(scope="module")
def address(checkpoint: Path, npm: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    root = tmp_path_factory.mktemp("host")
    embed(checkpoint, root / "site", webgpu=True)
    with hosting(root) as url:
        yield f"{url}/site/"


@pytest.fixture
def asked(page: Page) -> list[str]:
    """Addresses that the page asks for."""
    found: list[str] = []
    page.on("request", lambda request: found.append(request.url))
    return found


def give(page: Page, module: str) -> None:
    """An adapter, and another runtime than the folder's."""
    page.add_init_script(GRANTED)
    page.context.route(
        f"**/{MODULE}*",
        lambda route: route.fulfill(body=module, content_type="text/javascript"),
    )


def opened(page: Page, address: str) -> Embedded:
    embedded = Embedded(page, f"{address}index.html")
    embedded.begin()
    return embedded


def tried(page: Page, address: str, words: str) -> Embedded:
    """After the trial, which ended with these words."""
    embedded = opened(page, address)
    expect(embedded.part(".engine")).to_have_text("by WebAssembly, one thread")
    embedded.part(".graphics").click()
    expect(embedded.part(".message")).to_contain_text(words, timeout=PATIENCE)
    expect(embedded.part(".graphics")).to_be_hidden()
    embedded.settle()
    return embedded


def right(embedded: Embedded, library: LabelMapPipeline) -> bool:
    """Whether a new picture is the library's."""
    embedded.part(".seed").click()
    embedded.settle()
    seed = embedded.page.evaluate("document.querySelector('fiancee-embed').seed")
    expected = library(embedded.ids(), exit=library.model.exits, seed=seed)
    return bool(np.abs(embedded.pixels(".full") - shown(expected)).max() <= 2)


def test_without_an_adapter_nothing_is_offered(page: Page, address: str, asked: list[str]) -> None:
    embedded = opened(page, address)
    expect(embedded.part(".graphics")).to_be_hidden()
    assert not [url for url in asked if MODULE in url or WEBGPU.binary in url]


def test_a_processor_that_is_right_and_faster_is_used_and_remembered(
    page: Page, address: str, library: LabelMapPipeline, asked: list[str]
) -> None:
    page.add_init_script(GRANTED)
    before = opened(page, address)
    assert not [url for url in asked if MODULE in url or WEBGPU.binary in url]
    offer = before.part(".graphics").inner_text()
    assert offer == "Try the graphics processor, 14.2 MB"
    before.part(".graphics").click()
    expect(before.part(".message")).to_contain_text("is used from now on", timeout=PATIENCE)
    expect(before.part(".engine")).to_have_text("by WebGPU")
    before.settle()
    assert right(before, library)
    assert len(page.workers) == 1
    asked.clear()
    again = opened(page, address)
    expect(again.part(".engine")).to_have_text("by WebGPU")
    expect(again.part(".graphics")).to_be_hidden()
    assert right(again, library)
    assert [url for url in asked if MODULE in url]
    assert not [url for url in asked if "ort-wasm-simd-threaded.wasm" in url]


@pytest.mark.parametrize(
    ("module", "words"),
    [
        (SLOW, "Same pictures, but all exits take"),
        (runtime("0.001", ONE_PIXEL), "draws exit 2 wrongly"),
        (runtime("0.001", 'if (made) throw new Error("Device lost.");'), "failed (Device lost.)"),
        ("export nonsense", "cannot be loaded"),
    ],
    ids=["slower", "wrong", "failing", "damaged"],
)
def test_any_other_changes_nothing(
    module: str, words: str, page: Page, address: str, library: LabelMapPipeline
) -> None:
    give(page, module)
    if module == "export nonsense":
        embedded = opened(page, address)
        embedded.part(".graphics").click()
        expect(embedded.part(".message")).to_contain_text(words, timeout=PATIENCE)
        expect(embedded.part(".graphics")).to_be_visible()  # It may be there next time.
    else:
        embedded = tried(page, address, words)
    assert right(embedded, library)
    expect(embedded.part(".engine")).to_have_text("by WebAssembly, one thread")
    assert len(page.workers) == 1
    again = opened(page, address)
    expect(again.part(".engine")).to_have_text("by WebAssembly, one thread")


def test_one_that_breaks_down_later_is_left(
    page: Page, address: str, library: LabelMapPipeline
) -> None:
    exits = library.model.exits
    give(page, runtime("0.001", f'if (made > {2 * exits}) throw new Error("Device lost.");'))
    embedded = tried(page, address, "is used from now on")
    assert right(embedded, library)
    expect(embedded.part(".engine")).to_have_text("by WebAssembly, one thread")
    again = opened(page, address)
    expect(again.part(".engine")).to_have_text("by WebAssembly, one thread")
    expect(again.part(".graphics")).to_be_hidden()


def test_pictures_that_judge_come_from_the_library(
    page: Page, address: str, library: LabelMapPipeline
) -> None:
    page.goto(f"{address}index.html")
    found = page.evaluate(
        """async () => {
          const { load } = await import('./model.js');
          return (await load(document.baseURI, () => {})).check();
        }"""
    )
    assert max(found["differences"]) <= 2
    assert len(found["milliseconds"]) == library.model.exits


def test_without_npm_one_sentence(
    checkpoint: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["embed", str(checkpoint), "--out", str(tmp_path / "site"), "--webgpu"]) == 2
    assert "--webgpu needs npm, which was not found: install Node.js" in capsys.readouterr().err
    assert not (tmp_path / "site").exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("echo no such package >&2; exit 1", "npm could not fetch onnxruntime-web 1.30.0 (no such"),
        ('for last; do :; done; echo > "$last/a.tgz"', "arrived from npm without its WebGPU build"),
        ("other", "npm brought another ort.webgpu.bundle.min.mjs"),
    ],
)
def test_npm_that_fails_is_one_sentence(
    change: str, words: str, npm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if change == "other":
        monkeypatch.setitem(runtimes.DIGESTS, WEBGPU.module, "0" * 64)
    else:
        command = tmp_path / "npm"
        command.write_text(f"#!/bin/sh\n{change}\n")
        command.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    with pytest.raises(InputError) as caught:
        runtimes.add_webgpu(tmp_path / "site")
    assert words in str(caught.value)


def test_what_npm_brings_is_asked_for_by_name_and_version(
    npm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands: list[Any] = []
    real = subprocess.run

    def run(command: Any, **options: Any) -> Any:
        commands.append(command)
        return real(command, **options)

    monkeypatch.setattr(subprocess, "run", run)
    runtimes.add_webgpu(tmp_path)
    assert commands[0][1:3] == ["pack", f"onnxruntime-web@{runtimes.VERSION}"]
    assert "--ignore-scripts" in commands[0]
    assert f"# onnxruntime-web {runtimes.VERSION}" in (STATIC / "vendor/README.md").read_text()
    assert (tmp_path / WEBGPU.module).read_text() == FAST
