"""Pages that an embed meets: other hosts, frames, policies, browsers that keep nothing."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from embedded import PATIENCE, Embedded, shown
from playwright.sync_api import Browser, Page, expect
from static_host import hosting

from fiancee_hub.families.label_maps.pipeline import LabelMapPipeline
from fiancee_hub.web.embed import FACTS

pytest.importorskip("onnxscript")

WASM, MODULE = "ort-wasm-simd-threaded.wasm", "ort.wasm.bundle.min.mjs"
ISOLATED = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
}
NO_BLOBS = {"Content-Security-Policy": "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'"}
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15"
RUNTIME = """
import * as real from "./ort.wasm.bundle.min.mjs?real";
export const { Tensor, env } = real;
export const InferenceSession = { async create(...given) {
  BEFORE
  const session = await real.InferenceSession.create(...given);
  AFTER
  return session;
} };
"""


def post(site: Path, name: str, body: str) -> None:
    """A page beside the embed's folder."""
    text = f"<!doctype html><html lang=en><meta charset=utf-8><title>Post</title>{body}"
    (site / f"{name}.html").write_text(text, encoding="utf-8")


def tag(folder: str = "blog/streets/") -> str:
    poster = f'<img src="{folder}poster.webp" alt="Poster" width="400">'
    script = f'<script type="module" src="{folder}fiancee-embed.js"></script>'
    return f"{script}<fiancee-embed>{poster}</fiancee-embed>"


def host_of(address: str) -> str:
    return address.removesuffix("blog/streets/")


@pytest.fixture(scope="module")
def isolated(site: Path) -> Iterator[str]:
    """Address of the same embed where pages are cross-origin isolated."""
    with hosting(site, headers=ISOLATED) as url:
        yield f"{url}/blog/streets/index.html"


# Frames and other people's pages


def test_it_is_read_without_scripts(address: str, browser: Browser) -> None:
    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(f"{address}index.html")
        expect(page.locator("img")).to_be_visible()
        assert page.locator("img").evaluate("one => one.naturalWidth") > 0
        expect(page.locator("figcaption")).to_contain_text("of the computation")
        assert page.locator("noscript").bounding_box()


@pytest.mark.parametrize("sandbox", ["", 'sandbox="allow-scripts"'], ids=["plain", "sandboxed"])
def test_a_frame_neither_scrolls_nor_takes_the_focus(
    sandbox: str, site: Path, page: Page, address: str
) -> None:
    size = 'width="640" height="900"'
    source = 'src="blog/streets/index.html" title="Streets"'
    frame = f"<iframe {sandbox} {source} {size}></iframe>"
    post(site, "frame", f'<p style="height: 2000px"><input autofocus></p>{frame}')
    page.goto(f"{host_of(address)}frame.html")
    inside = page.frame_locator("iframe").locator("fiancee-embed")
    expect(inside.locator(".size")).to_contain_text("MB", timeout=PATIENCE)
    assert page.evaluate("[scrollY, document.activeElement.tagName]") == [0, "INPUT"]
    # Without the pointer, which would scroll and focus.
    inside.locator(".start").evaluate("one => one.click()")
    expect(inside.locator(".right")).to_contain_text("ms here", timeout=PATIENCE)
    assert page.evaluate("[scrollY, document.activeElement.tagName]") == [0, "INPUT"]


def test_elements_of_a_page_share_a_runtime_and_leave_nothing(
    site: Path, page: Page, address: str, browser: Browser
) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    post(site, "two", tag() + tag())
    page.goto(f"{host_of(address)}two.html")
    names = "Object.getOwnPropertyNames(window)"
    with browser.new_context() as context:
        other = context.new_page()
        other.goto(f"{address}embed.json")
        assert set(page.evaluate(names)) <= set(other.evaluate(names))
    for number in range(2):
        part = page.locator("fiancee-embed").nth(number)
        part.locator(".start").click()
        expect(part.locator(".right")).to_contain_text("ms here", timeout=PATIENCE)
    assert len(page.workers) == 1
    assert len([url for url in asked if WASM in url]) == 1
    # Moved, it goes on; removed, the other one does; without both nothing runs.
    first = page.locator("fiancee-embed").first
    first.evaluate("one => document.body.prepend(one)")
    first.locator(".seed").click()
    expect(first.locator(".tool")).to_be_visible()
    page.evaluate("window.taken = document.querySelector('fiancee-embed'); taken.remove()")
    only = page.locator("fiancee-embed")
    only.locator(".seed").click()
    page.wait_for_function("!document.querySelector('fiancee-embed').working")
    expect(only.locator(".message")).to_be_hidden()
    page.evaluate("document.querySelector('fiancee-embed').remove()")
    page.wait_for_timeout(200)
    assert not page.workers
    # Put back, it starts where it was.
    page.evaluate("document.body.append(window.taken)")
    assert page.evaluate("taken.getAttribute('state')").find("seed=1") > 0
    expect(page.locator("fiancee-embed .start")).to_be_visible()


def test_a_policy_without_blobs(site: Path, page: Page, address: str) -> None:
    post(site, "strict", tag())
    with hosting(site, headers=NO_BLOBS) as url:
        page.goto(f"{url}/strict.html")
        page.locator("fiancee-embed .start").click()
        right = page.locator("fiancee-embed .right")
        expect(right).to_contain_text("ms here", timeout=PATIENCE)


def test_a_foreign_script_under_a_policy_without_blobs_is_one_sentence(
    site: Path, page: Page, address: str
) -> None:
    post(site, "foreign", tag(address))
    policy = f"default-src 'self' {host_of(address)}; worker-src 'self'"
    with hosting(site, headers={"Content-Security-Policy": policy}) as url:
        page.goto(f"{url.replace('127.0.0.1', 'localhost')}/foreign.html")
        page.locator("fiancee-embed .start").click()
        message = page.locator("fiancee-embed .message")
        expect(message).to_have_text(
            f"This page does not let the model start: it runs at {address}index.html.",
            timeout=PATIENCE,
        )


@pytest.mark.parametrize(
    ("style", "scheme", "theme"),
    [
        ("body { background: #111 }", "light", "dark"),
        ("body { background: #fff }", "dark", "light"),
        ("", "dark", "light"),
        (":root { color-scheme: light dark }", "dark", "dark"),
    ],
)
def test_light_and_dark_are_the_page_s(
    style: str, scheme: Any, theme: str, site: Path, page: Page, address: str
) -> None:
    post(site, "theme", f"<style>{style}</style>{tag()}")
    page.emulate_media(color_scheme=scheme)
    page.goto(f"{host_of(address)}theme.html")
    embed = page.locator("fiancee-embed")
    expect(embed).to_have_attribute("data-around", theme)
    paper = "rgb(22, 23, 28)" if theme == "dark" else "rgb(255, 255, 255)"
    expect(embed).to_have_css("background-color", paper)
    page.evaluate("document.body.style.background = '#000'")
    expect(embed).to_have_attribute("data-around", "dark")


# Threads


def test_threads_where_the_page_is_isolated(page: Page, isolated: str) -> None:
    embedded = Embedded(page, isolated)
    embedded.begin()
    expect(embedded.part(".engine")).to_have_text(re.compile(r"WebAssembly, [234] threads"))


def test_one_thread_on_a_phone(isolated: str, browser: Browser) -> None:
    with browser.new_context(user_agent=IPHONE) as context:
        embedded = Embedded(context.new_page(), isolated)
        embedded.begin()
        assert embedded.page.evaluate("crossOriginIsolated")
        expect(embedded.part(".engine")).to_have_text("by WebAssembly, one thread")


def swap(page: Page, before: str = "", after: str = "") -> None:
    """Another runtime, which does more before and after it opens a session."""
    text = RUNTIME.replace("BEFORE", before).replace("AFTER", after)
    headers = {"Access-Control-Allow-Origin": "*", **ISOLATED}
    page.context.route(
        re.compile(rf"{re.escape(MODULE)}\?sha256"),
        lambda route: route.fulfill(body=text, content_type="text/javascript", headers=headers),
    )


def test_threads_that_fail_are_left(page: Page, isolated: str) -> None:
    swap(page, 'if (env.wasm.numThreads > 1) throw new Error("Out of memory.");')
    embedded = Embedded(page, isolated)
    embedded.begin()
    expect(embedded.part(".engine")).to_have_text("by WebAssembly, one thread")


# Loading


def test_sessions_are_opened_one_at_a_time(page: Page, address: str) -> None:
    swap(
        page,
        'globalThis.open = (globalThis.open ?? 0) + 1; if (open > 1) throw new Error("Two.");'
        "await new Promise((done) => setTimeout(done, 20));",
        "globalThis.open -= 1;",
    )
    embedded = Embedded(page, f"{address}index.html")
    embedded.begin()
    expect(embedded.part(".message")).to_be_hidden()


def test_script_and_binary_are_of_one_version(page: Page, address: str, site: Path) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    Embedded(page, f"{address}index.html").begin()
    facts = json.loads((site / "blog" / "streets" / FACTS).read_text())
    (script,) = [url for url in asked if MODULE in url]
    assert script.endswith(f"?sha256={facts['runtimes']['wasm']['module']['sha256']}")


def test_a_folder_of_another_version_is_one_sentence(page: Page, address: str) -> None:
    def older(route: Any) -> None:
        facts = route.fetch().json()
        route.fulfill(json={**facts, "format": facts["format"] + 1})

    page.context.route(f"**/{FACTS}", older)
    embedded = Embedded(page, f"{address}index.html")
    embedded.part(".start").click()
    message = embedded.part(".message")
    expect(message).to_have_text("This page is of another version: reload it.", timeout=PATIENCE)


def test_a_page_instead_of_a_file_is_named(page: Page, address: str) -> None:
    page.context.route(
        "**/model/predictor.onnx", lambda route: route.fulfill(body="\n<!DOCTYPE html><p>Home")
    )
    embedded = Embedded(page, f"{address}index.html")
    embedded.part(".start").click()
    words = f"{address}model/predictor.onnx is a web page instead of the file"
    expect(embedded.part(".message")).to_contain_text(words, timeout=PATIENCE)


def test_progress_counts_what_the_manifest_says(site: Path, page: Page) -> None:
    with hosting(site, packed=True) as url:
        embedded = Embedded(page, f"{url}/blog/streets/index.html")
        page.evaluate(
            """() => {
              window.told = [];
              const place = document.querySelector('fiancee-embed').part('.loaded');
              const tell = () => told.push(place.textContent);
              new MutationObserver(tell).observe(place, { childList: true });
            }"""
        )
        embedded.begin()
        told = page.evaluate("told")
    facts = json.loads((site / "blog" / "streets" / FACTS).read_text())
    first, full = (facts[name] / 1e6 for name in ("first_bytes", "full_bytes"))
    steps = [tuple(map(float, re.findall(r"[\d.]+", words))) for words in told]
    assert all(len(step) == 2 for step in steps)
    assert steps == sorted(steps) and len(steps) > 5
    assert (round(first, 1), round(first, 1)) in steps
    assert steps[-1][0] == pytest.approx(full, abs=0.1)


def test_the_first_exit_is_there_before_deeper_ones_are_fetched(page: Page, address: str) -> None:
    """With a budget that only full depth keeps."""
    before = Embedded(page, f"{address}index.html")
    before.begin()
    before.set(".budget", "0")
    state = page.evaluate("document.querySelector('fiancee-embed').state()")
    before.part(".forget").click()
    expect(before.part(".message")).to_contain_text("Removed")
    held: list[Any] = []
    page.context.route("**/model/image.onnx", lambda route: held.append(route))
    embedded = Embedded(page, f"{address}index.html?again#{state}")
    with page.expect_request("**/model/image.onnx", timeout=PATIENCE):
        embedded.part(".start").click()
    expect(embedded.part(".tool")).to_be_visible(timeout=PATIENCE)
    expect(embedded.part(".headline")).to_contain_text("Exit 1")
    expect(embedded.part(".message")).to_contain_text("Fetching full depth")
    while not held:
        page.wait_for_timeout(50)
    held.pop().continue_()
    embedded.settle()
    expect(embedded.part(".headline")).to_contain_text("Full depth")


def test_a_tab_that_was_stopped_says_so_once(page: Page, address: str) -> None:
    page.goto(f"{address}embed.json")
    page.evaluate("sessionStorage.setItem('fiancee-embed loading', '1')")
    embedded = Embedded(page, f"{address}index.html")
    expect(embedded.part(".message")).to_contain_text("did not come to its end")
    expect(embedded.part(".start")).to_be_visible()
    embedded.begin()
    expect(embedded.part(".message")).to_be_hidden()
    page.reload()
    expect(embedded.part(".size")).to_contain_text("MB")
    expect(embedded.part(".message")).to_be_hidden()


# What is kept


def kept(page: Page) -> list[str]:
    keys = "caches.open('fiancee-embed').then((store) => store.keys())"
    return [str(url) for url in page.evaluate(f"{keys}.then((all) => all.map(({{url}}) => url))")]


def test_what_is_kept_is_keyed_by_content_and_cleared(page: Page, address: str) -> None:
    old, other = f"{address}model/old.onnx?sha256=00", f"{host_of(address)}other.onnx?sha256=00"
    page.goto(f"{address}embed.json")
    page.evaluate(
        """(urls) => caches.open('fiancee-embed').then((store) =>
          Promise.all(urls.map((url) => store.put(url, new Response('old')))))""",
        [old, other],
    )
    embedded = Embedded(page, f"{address}index.html")
    embedded.begin()
    names = kept(page)
    assert old not in names and other in names
    assert any(re.search(r"branch-1\.onnx\?sha256=[0-9a-f]{64}$", name) for name in names)
    embedded.part(".forget").click()
    expect(embedded.part(".message")).to_contain_text("Removed")
    assert not kept(page)


def test_without_room_nothing_is_lost(page: Page, address: str) -> None:
    session = page.context.new_cdp_session(page)
    origin = host_of(address).rstrip("/")
    session.send("Storage.overrideQuotaForOrigin", {"origin": origin, "quotaSize": 1000})
    embedded = Embedded(page, f"{address}index.html")
    embedded.begin()
    expect(embedded.part(".message")).to_be_hidden()
    assert not [name for name in kept(page) if WASM in name]


# Hands and clocks


def test_a_finger_draws(address: str, browser: Browser, library: LabelMapPipeline) -> None:
    with browser.new_context(has_touch=True, viewport={"width": 360, "height": 740}) as context:
        embedded = Embedded(context.new_page(), f"{address}index.html")
        embedded.part(".start").tap()
        embedded.settle()
        before = embedded.ids()
        embedded.part(".classes").get_by_label("car", exact=True).tap()
        embedded.part(".map").tap()
        embedded.settle()
        (car,) = [entry.id for entry in library.config.classes if entry.name == "car"]
        assert (embedded.ids()[embedded.ids() != before] == car).all()
        assert (embedded.ids() != before).any()


def test_time_here_decides_where_it_is_asked_to(page: Page, address: str) -> None:
    embedded = Embedded(page, f"{address}index.html")
    embedded.begin()
    embedded.part(".by-time").check()
    embedded.settle()
    expect(embedded.part(".headline")).to_contain_text("the fastest within 0.100")
    found = page.evaluate(
        """async () => {
          const { fastest } = await import('./router.js');
          const prediction = { mean: Float32Array.of(.2, .09, .05), spread: new Float32Array(3) };
          return [[1, 3, 5, 2], [1, 9, NaN, 4], [1, 3, 4, 5], [1, NaN, 3, 4]].map((times) =>
            fastest(prediction, .1, null, times));
        }"""
    )
    assert found == [4, 4, 2, 2]  # Exit 2 is the cheapest; what was not measured is left.


def test_deeper_equals_direct(page: Page, address: str) -> None:
    page.goto(f"{address}index.html")
    found = page.evaluate(
        """async () => {
          const { load } = await import('./model.js');
          const model = await load(document.baseURI, () => {});
          const [height, width] = model.graphs.get('condition').inputs[0].shape.slice(1);
          const ids = Uint8Array.from({ length: height * width }, (_, at) => (at / width / 9) % 4);
          const deepened = await model.start(ids, 3);
          const differences = [];
          for (let exit = 1; exit <= model.exits; exit++) {
            const one = (await deepened.render(exit)).pixels;
            const other = (await (await model.start(ids, 3)).render(exit)).pixels;
            differences.push(one.reduce((sum, value, at) => sum + Math.abs(value - other[at]), 0));
          }
          return differences;
        }"""
    )
    assert len(found) > 2
    assert not any(found)


def test_pictures_are_the_library_s_on_every_host(
    page: Page, isolated: str, library: LabelMapPipeline
) -> None:
    embedded = Embedded(page, isolated)
    embedded.begin()
    expected = library(embedded.ids(), exit=library.model.exits, seed=0)
    assert np.abs(embedded.pixels(".full") - shown(expected)).max() <= 1
