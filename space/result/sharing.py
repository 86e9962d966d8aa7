"""Cards of shared links: made when somebody asks for one, kept for the next."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from fiancee_hub.core.errors import InputError
from fiancee_hub.rendering import Rendering
from space.page import links
from space.page.files import encoded
from space.page.front import CARD
from space.page.model_threads import there
from space.result.record import Record
from space.result.scale import BUDGET
from space.result.share_card import share_card

TITLE = "FIANCEE: pictures that cost what they need"
WORDS = (
    "{title} at a budget of LPIPS {budget:g}: the early exit beside full depth, and what each cost."
)
KEPT = 64
SECONDS = 3600

MOST_WAITING = 4
"""Requests at once, the one whose card is being made among them."""

LATER = 10
"""Seconds after which one more may come again."""


class CrowdedError(Exception):
    """Too many are waiting for cards."""


@dataclass(frozen=True)
class Shared:
    """A tab whose links have cards.

    Args:
        title: its heading.
        fields: what links to it can hold.
        rendering: of the values that a link holds.
    """

    title: str
    fields: Mapping[str, links.Field]
    rendering: Callable[[Mapping[str, Any]], Rendering]


class Sharing:
    """Cards of a page's tabs, by their names in the order of the page."""

    def __init__(self, tabs: Mapping[str, Shared]) -> None:
        self.tabs = tabs
        self._cards: OrderedDict[tuple[Any, ...], bytes] = OrderedDict()
        self._lock = asyncio.Lock()
        self._waiting = 0

    def describe(self, query: str) -> tuple[str, str]:
        """Title and words of a link."""
        link = self._link(query)
        if link is None:
            return TITLE, TITLE
        budget = link.values.get("budget", BUDGET)
        return TITLE, WORDS.format(title=self.tabs[link.tab].title, budget=budget)

    def route(self) -> Route:
        """Serves the cards."""

        # Not in one of the server's own threads, which are few: whoever waits here would hold it.
        async def card(request: Request) -> Response:
            try:
                content = await self.card(request.url.query)
            except CrowdedError:
                return Response(status_code=503, headers={"Retry-After": str(LATER)})
            headers = {"Cache-Control": f"public, max-age={SECONDS}"}
            return Response(content, 200 if content else 404, headers, "image/png")

        return Route(CARD, card)

    async def card(self, query: str) -> bytes:
        """The card of a link as PNG, marked as generated; nothing where no tab can make one.

        Waits for a model that is still being loaded.

        Raises:
            CrowdedError: it is to be made, and too many are waiting already.
        """
        link = self._link(query)
        if link is None:
            return b""
        key = _key(link)
        if key not in self._cards:
            try:
                await self._make(key, link)
            except InputError:
                return b""  # The checkpoint cannot be loaded; the log says why.
        self._cards.move_to_end(key)
        return self._cards[key]

    async def _make(self, key: tuple[Any, ...], link: links.Link) -> None:
        if self._waiting >= MOST_WAITING:
            raise CrowdedError
        self._waiting += 1
        try:
            # One at a time: nobody may keep the model busy with links.
            async with self._lock:
                if key not in self._cards:
                    self._cards[key] = await there(self._made, link)
        finally:
            self._waiting -= 1
        while len(self._cards) > KEPT:
            self._cards.popitem(last=False)

    def _made(self, link: links.Link) -> bytes:
        rendering = self.tabs[link.tab].rendering(link.values)
        record = Record.begin(rendering, link.values.get("budget", BUDGET))
        record = record.add(rendering, rendering.pipeline.model.exits)
        return encoded(share_card(record), marked=True)

    def _link(self, query: str) -> links.Link | None:
        """The state of a query, or the page's first one where it has none that can be used."""
        fields = {name: tab.fields for name, tab in self.tabs.items()}
        first = next(iter(self.tabs), None)
        try:
            found = links.read(query, fields)
        except InputError:
            found = None
        return found or (links.Link(first, {}) if first else None)


def _key(link: links.Link) -> tuple[Any, ...]:
    """The same for links that show the same."""
    values = sorted(link.values.items())
    return link.tab, *((n, v.tobytes() if isinstance(v, np.ndarray) else v) for n, v in values)
