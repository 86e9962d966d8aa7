"""The page on its way out: tags of shared links, and compression."""

import gzip
import re

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from space.page.front import Front

PAGE = """<html><head><title>T</title>
<meta property="og:url" content="{url}" />
<meta
  name="twitter:title"
  content="Gradio"
/></head><body>words</body></html>"""


def page(request: Request) -> Response:
    return HTMLResponse(PAGE)


def client() -> TestClient:
    front = Middleware(Front, lambda query: ("A title", f"Words of <{query}>"))
    routes = [Route("/", page), Route("/other", page)]
    return TestClient(Starlette(routes=routes, middleware=[front]), base_url="http://a.example")


def test_a_link_says_what_it_shows() -> None:
    headers = {"x-forwarded-proto": "https"}
    answer = client().get("/?tab=streets&seed=3", headers=headers)
    tags = dict(re.findall(r'<meta (?:property|name)="([^"]+)" content="([^"]*)" />', answer.text))
    assert tags["og:title"] == tags["twitter:title"] == "A title"
    assert tags["og:description"] == "Words of &lt;tab=streets&amp;seed=3&gt;"
    assert tags["og:url"] == "https://a.example/?tab=streets&amp;seed=3"
    assert tags["og:image"] == "https://a.example/share.png?tab=streets&amp;seed=3"
    assert tags["twitter:card"] == "summary_large_image" and tags["og:image:alt"]
    assert "{url}" not in answer.text and "Gradio" not in answer.text


def test_a_link_behind_several_proxies_has_the_first_ones_address() -> None:
    headers = {"x-forwarded-proto": "https, http", "x-forwarded-host": "b.example, inner:80"}
    answer = client().get("/?seed=3", headers=headers)
    assert 'content="https://b.example/share.png?seed=3"' in answer.text
    assert 'content="http://a.example/"' in client().get("/", headers={"x-forwarded-host": ""}).text


def test_the_page_is_compressed_for_those_who_can_read_it() -> None:
    with client().stream("GET", "/", headers={"accept-encoding": "gzip"}) as answer:
        content = b"".join(answer.iter_raw())
    assert answer.headers["content-encoding"] == "gzip"
    assert int(answer.headers["content-length"]) == len(content)
    assert b"words" in gzip.decompress(content)
    plain = client().get("/", headers={"accept-encoding": "identity"})
    assert "content-encoding" not in plain.headers and "words" in plain.text


def test_other_addresses_are_left_alone() -> None:
    assert client().get("/other").text == PAGE
