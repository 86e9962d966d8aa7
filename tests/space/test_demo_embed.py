"""The demo in somebody else's page: what the snippets show, and whom they ask for it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from html import unescape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import parse_qsl, urlencode, urlsplit
from urllib.request import Request, urlopen

import pytest
from demo_fixtures import save_street_checkpoint
from demo_server import PATIENCE, serving
from playwright.sync_api import Browser, Frame, FrameLocator, Page, Route, expect

from space.page import embedding
from space.page.embedding import COMPACT, FIGURE, WHOLE, View

SNIPPETS = {"frame": embedding.frame, "component": embedding.component}
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
    """The whole page in another."""
    return SNIPPETS[kind](WHOLE, app).replace("light", theme)


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
    for kind in SNIPPETS:
        part = visit.page.locator(f"#embed-{kind}")
        expect(part.locator("code")).to_contain_text(app, timeout=PATIENCE)
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


STATE = {"tab": "streets", "example": "crossing", "budget": "0.05", "seed": "7"}


def test_the_snippets_carry_what_is_shown_and_the_chosen_view(app: str, browser: Browser) -> None:
    visit = Visit(browser, 1400, {host_of(app)})
    visit.page.goto(f"{app}/?{urlencode(STATE)}")
    visit.page.wait_for_function("document.querySelector('.chain[data-complete=true]')")
    visit.page.wait_for_timeout(1000)
    visit.page.get_by_role("tab", name="How it works").click()
    for view in embedding.VIEWS:
        visit.page.get_by_label(view.words, exact=True).check()
        for kind, make in SNIPPETS.items():
            code = visit.page.locator(f"#embed-{kind} code")
            expect(code).to_contain_text("seed=7", timeout=PATIENCE)
            assert parts_of(str(code.text_content())) == parts_of(make(view, app, **STATE))
    visit.page.close()


def parts_of(text: str) -> tuple[str, dict[str, str]]:
    """A snippet without its query, and that; the order of its values means nothing."""
    before, query = text.split("/?", 1)
    query, _, after = query.partition('"')
    return before + after, dict(parse_qsl(unescape(query)))


@pytest.mark.parametrize("view", [COMPACT, FIGURE], ids=lambda view: view.name)
@pytest.mark.parametrize("kind", SNIPPETS)
def test_a_view_shows_its_state_in_a_foreign_page(
    kind: str, view: View, app: str, browser: Browser
) -> None:
    with hosting(SNIPPETS[kind](view, app, **STATE)) as address:
        visit = Visit(browser, 700, {host_of(address), host_of(app)})
        visit.page.goto(address)
        demo = visit.demo(kind)
        complete = demo.locator("#streets-routes .chain[data-complete=true]")
        expect(complete.first).to_be_attached(timeout=PATIENCE)
        expect(complete.first).to_have_attribute("data-budget", "0.050")
        expect(demo.locator("#streets-seed input")).to_have_value("7")
        expect(demo.locator("#streets-pictures img").first).to_be_visible(timeout=PATIENCE)
        expect(demo.locator("#streets-headline")).to_be_visible()
        for hidden in ("#header", "#footer", "#streets-generate", "#streets-contrast", "footer"):
            expect(demo.locator(hidden).first).to_be_hidden()
        assert demo.locator("#streets-map").is_visible() == (view is COMPACT)
        assert demo.locator("#streets-routes").is_visible() == (view is COMPACT)
        link = demo.get_by_role("link", name="open the whole page")
        link.focus()
        opened = dict(parse_qsl(urlsplit(str(link.get_attribute("href"))).query))
        assert opened == STATE
        assert visit.refused == []
        visit.page.close()


HOSTS = {
    "plain": "",
    "reset": "*,*::before,*::after{box-sizing:border-box;margin:0;padding:0;border:0;font:inherit;"
    "line-height:1;list-style:none}button{background:none;color:inherit}img{display:block}",
    "dark": "body{background:#111;color:#eee;font:19px/2 Georgia,serif;letter-spacing:.05em;"
    "text-align:center}a{color:#f80}p{margin:3em}h1{font-size:60px;color:red}",
}
"""Styles of pages that embed the demo."""

HOST_LOOKS = """() => Object.fromEntries(['h1', 'p', 'a', 'button', 'body', 'html'].map((name) => {
  const style = getComputedStyle(document.querySelector(`#host ${name}, ${name}`));
  const box = document.querySelector(`#host ${name}, ${name}`).getBoundingClientRect();
  const kept = ['color', 'fontFamily', 'fontSize', 'lineHeight', 'marginTop', 'letterSpacing',
    'backgroundColor', 'textAlign', 'boxSizing'];
  return [name, [...kept.map((one) => style[one]), Math.round(box.left)]];
}))"""

AT_REST = "() => document.getAnimations().every((one) => one.playState !== 'running')"
"""No colour is on its way to another."""

OUR_LOOKS = """(names) => Object.fromEntries(names.map((name) => {
  const style = getComputedStyle(document.querySelector(name));
  const kept = ['color', 'fontFamily', 'fontSize', 'fontWeight', 'lineHeight', 'letterSpacing',
    'backgroundColor', 'textAlign', 'paddingLeft', 'borderTopWidth'];
  return [name, kept.map((one) => style[one])];
}))"""

OURS = (
    ".headline p",
    ".chain .exit button",
    ".chain .choice",
    ".classes label",
    ".map-tools button",
    ".caption .sides",
    ".lead p",
    "#streets-generate",
    ".limits p",
)


def page_around(style: str, demo: str) -> str:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>A post</title>'
        f'<link rel="icon" href="data:,"><style>{style}</style></head><body>'
        '<main id="host"><h1>A post</h1><p>Words with <a href="#x">a link</a>.</p>'
        f"<button>Theirs</button></main>{demo}</body></html>"
    )


@pytest.mark.parametrize("host", HOSTS)
def test_neither_page_changes_the_looks_of_the_other(
    host: str, app: str, browser: Browser, tmp_path: Path
) -> None:
    pages = {
        "without": page_around(HOSTS[host], ""),
        "with": page_around(HOSTS[host], snippet("component", app)),
        "alone": post(snippet("component", app)),
    }
    for name, content in pages.items():
        (tmp_path / f"{name}.html").write_text(content)
    page = browser.new_page(viewport={"width": 1000, "height": 900})
    looks = {}
    for name in pages:
        page.goto((tmp_path / f"{name}.html").as_uri())
        if name != "without":
            complete = page.locator("#streets-routes .chain[data-complete=true]").first
            expect(complete).to_be_visible(timeout=PATIENCE)
            page.wait_for_function(AT_REST)
            looks[f"{name}, ours"] = page.evaluate(OUR_LOOKS, list(OURS))
        if name != "alone":
            looks[name] = page.evaluate(HOST_LOOKS)
    page.close()
    assert looks["with"] == looks["without"]
    assert looks["with, ours"] == looks["alone, ours"]
