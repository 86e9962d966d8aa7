"""The page itself on its way out: what a shared link shows of it, and compressed."""

import gzip
import html
import re
from collections.abc import Callable

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

CARD = "/share.png"
CARD_SIZE = 1200, 630

TAGS = re.compile(rb"\s*<meta\s+(?:property|name)=\"(?:og|twitter):[^>]*>")
LEVEL = 6


class Front:
    """Middleware of the page's own address.

    Args:
        app: what it goes around.
        describe: from the address's query to a title and the words of its card.
    """

    def __init__(self, app: ASGIApp, describe: Callable[[str], tuple[str, str]]) -> None:
        self.app, self.describe = app, describe

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "GET" or scope["path"] != "/":
            await self.app(scope, receive, send)
            return
        begun: list[Message] = []
        content = bytearray()

        async def hold(message: Message) -> None:
            """Keeps an answer until it is whole."""
            if message["type"] == "http.response.start":
                begun.append(message)
                return
            content.extend(message.get("body", b""))
            if not message.get("more_body"):
                await self._answer(Request(scope), begun[0], bytes(content), send)

        await self.app(scope, receive, hold)

    async def _answer(self, request: Request, start: Message, content: bytes, send: Send) -> None:
        headers = MutableHeaders(raw=list(start["headers"]))
        if "text/html" in headers.get("content-type", ""):
            content = self._tagged(request, content)
            headers["vary"] = "Accept-Encoding"
            if _takes_gzip(request.headers) and "content-encoding" not in headers:
                content = gzip.compress(content, LEVEL)
                headers["content-encoding"] = "gzip"
            headers["content-length"] = str(len(content))
        await send({**start, "headers": headers.raw})
        await send({"type": "http.response.body", "body": content})

    def _tagged(self, request: Request, content: bytes) -> bytes:
        title, words = self.describe(request.url.query)
        tags = tags_of(address_of(request), request.url.query, title, words).encode()
        return TAGS.sub(b"", content).replace(b"</head>", tags + b"</head>", 1)


def _takes_gzip(headers: Headers) -> bool:
    return "gzip" in headers.get("accept-encoding", "")


def address_of(request: Request) -> str:
    """Under which visitors see the page; of several proxies the first says with which scheme."""
    scheme = _first(request.headers.get("x-forwarded-proto", request.url.scheme))
    host = _first(request.headers.get("x-forwarded-host", ""))
    host = host or request.headers.get("host", "localhost")
    return f"{scheme}://{host}{request.scope.get('root_path', '')}"


def _first(listed: str) -> str:
    return listed.split(",")[0].strip()


def tags_of(address: str, query: str, title: str, words: str) -> str:
    """What a link to the page looks like elsewhere."""
    shown = f"?{query}" if query else ""
    values = {
        "og:type": "website",
        "og:site_name": "FIANCEE",
        "og:title": title,
        "og:description": words,
        "og:url": f"{address}/{shown}",
        "og:image": f"{address}{CARD}{shown}",
        "og:image:width": str(CARD_SIZE[0]),
        "og:image:height": str(CARD_SIZE[1]),
        "og:image:alt": words,
        "twitter:card": "summary_large_image",
        "twitter:title": title,
        "twitter:description": words,
        "twitter:image": f"{address}{CARD}{shown}",
        "twitter:image:alt": words,
    }
    return "".join(
        f'<meta {"property" if name.startswith("og:") else "name"}="{name}" '
        f'content="{html.escape(value)}" />'
        for name, value in values.items()
    )
