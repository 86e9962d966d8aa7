"""The demo in somebody else's page: what the snippets show, and whom they ask for it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.request import Request, urlopen

import pytest
from demo_fixtures import save_street_checkpoint
from demo_server import PATIENCE, serving
from playwright.sync_api import Browser, Frame, FrameLocator, Page, Route, expect

from space.page import embedding

SNIPPETS = {"frame": embedding.FRAME, "component": embedding.COMPONENT}
WIDTHS = (360, 768, 1400)
CONTROLS = (
    "#streets-examples",
    "#streets-map",
    "#streets-classes",
    "#streets-budget",
    "#streets-generate",
    "#streets-pictures",
    "#streets-routes",
)


class Post(BaseHTTPRequestHandler):
    """A page with a snippet in it; whatever is asked for, there is nothing else here."""

    def __init__(self, page: bytes, *args: object) -> None:
        self.page = page
        super().__init__(*args)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/" else 404)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write(self.page if self.path == "/" else b"")

    def log_message(self, *args: object) -> None:
        """Says nothing."""


def post(snippet: str) -> str:
    return (
        '<!doctype html><html lang="en"><head><title>A post</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<link rel="icon" href="data:,"></head>'
        f'<body style="margin: 0"><h1>A post</h1>{snippet}</body></html>'
    )


@contextmanager
def hosting(snippet: str) -> Iterator[str]:
    """Serves a post at 127.0.0.1; gives its address."""
    handler = partial(Post, post(snippet).encode())
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The demo's address, by another name than the post's."""
    checkpoint = save_street_checkpoint(tmp_path_factory.mktemp("streets"))
    log = tmp_path_factory.mktemp("demo") / "log.txt"
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(os.environ, "FIANCEE_LOCAL_PAGES", "1")
        with serving(checkpoint, Path("/nowhere"), log) as address:
            yield address.replace("127.0.0.1", "localhost")


class Visit:
    """A browser on a page; what it asks of hosts that it may not ask is refused and kept."""

    def __init__(self, browser: Browser, width: int, allowed: set[str]) -> None:
        self.page: Page = browser.new_page(viewport={"width": width, "height": 900})
        self.page.set_default_timeout(PATIENCE)
        self.refused: list[str] = []
        self.allowed = allowed
        self.page.route("**/*", self._judge)

    def _judge(self, route: Route) -> None:
        if route.request.url.split("/")[2] in self.allowed:
            route.continue_()
        else:
            self.refused.append(route.request.url)
            route.abort()

    def demo(self, kind: str) -> FrameLocator | Page:
        return self.page.frame_locator("iframe") if kind == "frame" else self.page

    def innermost(self) -> Frame:
        return self.page.frames[-1]


def host_of(url: str) -> str:
    return url.split("/")[2]


def snippet(kind: str, app: str, theme: str = "light") -> str:
    return SNIPPETS[kind].format(address=app).replace("light", theme)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("kind", SNIPPETS)
def test_a_snippet_shows_the_demo_at_every_width(
    kind: str, theme: str, app: str, browser: Browser
) -> None:
    with hosting(snippet(kind, app, theme)) as address:
        visit = Visit(browser, WIDTHS[-1], {host_of(address), host_of(app)})
        visit.page.goto(address)
        demo = visit.demo(kind)
        # The picture and all its figures have come from the other origin.
        expect(demo.locator("#streets-routes .chain[data-complete=true]").first).to_be_visible(
            timeout=PATIENCE
        )
        assert (brightness(visit.innermost()) < 128) == (theme == "dark")
        for width in WIDTHS:
            visit.page.set_viewport_size({"width": width, "height": 900})
            for name in CONTROLS:
                expect(demo.locator(name)).to_be_visible()
            assert overflow(visit.page.main_frame) <= 0
            assert overflow(visit.innermost()) <= 0
            assert outside(visit.innermost()) == []
        assert visit.refused == []
        visit.page.close()


def brightness(frame: Frame) -> int:
    """Of what lies behind the demo's words, 0 to 255."""
    colour = frame.evaluate(
        """() => {
          const probe = document.createElement('i');
          probe.style.backgroundColor = 'var(--body-background-fill)';
          document.querySelector('.gradio-container').append(probe);
          return getComputedStyle(probe).backgroundColor;
        }"""
    )
    return int(colour.partition("(")[2].partition(",")[0])


def overflow(frame: Frame) -> int:
    """By how many pixels a page is wider than its window."""
    return int(frame.evaluate("document.documentElement.scrollWidth - innerWidth"))


def outside(frame: Frame) -> list[str]:
    """Main controls of which a part lies beyond the window's edges, where nothing scrolls to."""
    script = """(names) => names.filter((name) => {
      const box = document.querySelector(name).getBoundingClientRect();
      return box.left < 0 || box.right > innerWidth + 0.5;
    })"""
    found: list[str] = frame.evaluate(script, list(CONTROLS))
    return found


@pytest.mark.parametrize("kind", SNIPPETS)
def test_generating_works_in_a_foreign_page(kind: str, app: str, browser: Browser) -> None:
    with hosting(snippet(kind, app)) as address:
        visit = Visit(browser, 1400, {host_of(address), host_of(app)})
        visit.page.goto(address)
        demo = visit.demo(kind)
        expect(demo.locator("#streets-routes .chain[data-complete=true]").first).to_be_visible(
            timeout=PATIENCE
        )
        pictures = demo.locator("#streets-pictures img")
        before = pictures.last.get_attribute("src")
        demo.locator("#streets-seed input").fill("7")
        demo.locator("#streets-generate").click()
        expect(pictures.last).not_to_have_attribute("src", str(before), timeout=PATIENCE)
        expect(demo.locator("#streets-routes .chain[data-complete=true]").first).to_be_visible(
            timeout=PATIENCE
        )
        assert visit.refused == []
        visit.page.close()


def test_the_page_offers_both_snippets_with_its_own_address(app: str, browser: Browser) -> None:
    visit = Visit(browser, 1400, {host_of(app)})
    visit.page.goto(f"{app}/?__theme=light")
    visit.page.get_by_role("tab", name="How it works").click()
    for kind, text in SNIPPETS.items():
        part = visit.page.locator(f"#embed-{kind}")
        expect(part).to_contain_text(app, timeout=PATIENCE)
        shown = "".join(part.locator(".cm-line").all_inner_texts())
        assert shown == text.format(address=app).replace("\n", "")
        expect(part.get_by_role("button", name="Copy")).to_be_visible()
    assert visit.refused == []
    visit.page.close()


def test_a_page_from_a_file_embeds_a_demo_that_allows_it(
    app: str, browser: Browser, tmp_path: Path
) -> None:
    path = tmp_path / "post.html"
    path.write_text(post(snippet("component", app)))
    page = browser.new_page()
    page.goto(path.as_uri())
    expect(page.locator("#streets-routes .chain[data-complete=true]").first).to_be_visible(
        timeout=PATIENCE
    )
    page.close()


@pytest.mark.parametrize(
    ("origin", "host", "allowed"),
    [
        ("http://localhost:8000", "", True),
        ("https://blog.example", "", False),
        ("https://blog.example", "user-space.hf.space", True),
    ],
)
def test_localhost_is_for_localhost_and_a_host_for_everybody(
    origin: str, host: str, allowed: bool, app: str
) -> None:
    headers = {"Origin": origin, "Host": host or host_of(app)}
    with urlopen(Request(f"{app}/config", headers=headers), timeout=30) as answer:
        granted = answer.headers.get("Access-Control-Allow-Origin")
    assert granted == (origin if allowed else None)
