"""Links that bring a state back: of which tab, and what its screen's fields are."""

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

import gradio as gr

from fiancee_hub.core.errors import InputError
from space.page.events import private
from space.page.markup import render
from space.page.scripts import call

MOST_SEED = 2**53 - 1
"""The largest whole number that a browser keeps exactly."""

TAB, FORMER_TAB = "tab", "family"
"""What links call the tab, and what they called it when there was one of each family."""

ELSEWHERE = "elsewhere"
"""What stands in place of the address's query for the first tab where a link opens another: it
begins only when a visitor opens it."""


class Field:
    """A value that a link can hold."""

    def read(self, name: str, text: str) -> Any:
        """The value of the field called ``name``.

        Raises:
            InputError: it is none that the screen can have; the message names the choice.
        """
        raise NotImplementedError


@dataclass(frozen=True)
class Choice(Field):
    """One of several, by what links call it; read as its number, from 0."""

    slugs: tuple[str, ...]

    def read(self, name: str, text: str) -> int:
        if text not in self.slugs:
            raise InputError(
                f"The link's {name} {text[:40]!r} does not exist: "
                f"choose one of {', '.join(self.slugs)}."
            )
        return self.slugs.index(text)


@dataclass(frozen=True)
class Number(Field):
    """A number within bounds."""

    least: float
    most: float

    def read(self, name: str, text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not self.least <= number <= self.most:
            raise InputError(
                f"The link's {name} {text[:40]!r} is out of range: "
                f"give {self.least:g} to {self.most:g}."
            )
        return number


class Seed(Field):
    """A whole number that a browser keeps exactly."""

    def read(self, name: str, text: str) -> int:
        digits = text.isascii() and text.isdigit() and len(text) <= len(str(MOST_SEED))
        if not digits or int(text) > MOST_SEED:
            raise InputError(
                f"The link's {name} {text[:40]!r} is out of range: give a whole number from 0 to "
                f"{MOST_SEED}."
            )
        return int(text)


Tabs = Mapping[str, Mapping[str, Field]]
"""Every tab's fields, in the order of the page."""


@dataclass(frozen=True)
class Link:
    """A state of one tab: the values that the link has, by the names of the tab's fields."""

    tab: str
    values: Mapping[str, Any]


def read(query: str, tabs: Tabs) -> Link | None:
    """The state in an address's query; None if it has none.

    Raises:
        InputError: there is no such tab, or a value is none that its screen can have.
    """
    given = _given(query)
    known = {name for fields in tabs.values() for name in fields}
    if not tabs or not given.keys() & {TAB, FORMER_TAB, *known}:
        return None
    name = _tab(given) or next(iter(tabs))
    if name not in tabs:
        raise InputError(
            f"This page has no tab {name[:40]!r}, only {', '.join(tabs)}: open the link where it "
            "came from."
        )
    return Link(name, _values(given, tabs[name]))


def state_of(query: str, tab: str, fields: Mapping[str, Field], *, first: bool) -> dict[str, Any]:
    """The values that a query has for a tab; a query that names none means the first.

    Values that cannot be used are none here: ``asked_for`` says so, once.
    """
    given = _given(query)
    if _tab(given) != tab and (_tab(given) or not first):
        return {}
    try:
        return _values(given, fields)
    except InputError:
        return {}


def with_query(tab: str, *, first: bool) -> str:
    """JavaScript for a tab's opening: its first input becomes the address's query, or
    ``ELSEWHERE``."""
    return call("withQuery", tab, ELSEWHERE if first else "")


def _given(query: str) -> dict[str, str]:
    # Pasted from a page's source, it has its ampersands escaped.
    return dict(parse_qsl(query.lstrip("?").replace("&amp;", "&")))


def _tab(given: Mapping[str, str]) -> str:
    return given.get(TAB) or given.get(FORMER_TAB) or ""


def _values(given: Mapping[str, str], fields: Mapping[str, Field]) -> dict[str, Any]:
    return {name: field.read(name, given[name]) for name, field in fields.items() if name in given}


def slug(title: str) -> str:
    """What links call something with this title."""
    return re.sub(r"\W+", "-", title.lower()).strip("-")


def slugs(titles: Iterable[str]) -> tuple[str, ...]:
    """What links call each of several; the later of two alike gets a number."""
    found: list[str] = []
    for title in titles:
        name, number = slug(title), 2
        while name in found:
            name, number = f"{slug(title)}-{number}", number + 1
        found.append(name)
    return tuple(found)


def open_tab(page: gr.Blocks, tabs: Tabs) -> None:
    """Lets the page open with the tab that a link asks for, or say why the link is of no use.

    In a place of its own: Gradio takes its messages away as soon as another event begins, and the
    page's first result is about to.
    """
    query = gr.Textbox(visible="hidden")
    refused = gr.HTML(elem_id="link-refused")

    def ask(text: str) -> tuple[str, str]:
        try:
            return asked_for(text, tabs), ""
        except InputError as error:
            return "", render("refused.html", words=str(error))

    asked = page.load(
        ask,
        query,
        [query, refused],
        js=call("query"),
        show_progress="hidden",
        api_visibility="private",
    )
    # As an output the tabs would make Gradio read, and upload, the editor at every step.
    asked.success(None, query, js=call("openTab"), api_visibility="private")


def asked_for(query: str, tabs: Tabs) -> str:
    """The tab that a link opens; nothing where it is the first one, open anyway.

    Raises:
        InputError: the link cannot be used; the page stays as it is without one.
    """
    link = read(query, tabs)
    # A visitor may be elsewhere already, and is not to be called back.
    return link.tab if link and link.tab != next(iter(tabs)) else ""


@dataclass(frozen=True)
class State:
    """What a link to a screen holds, and where it stands on the page.

    Args:
        tab: whose state it is.
        values: components by the names of the link's fields; those that are empty are left out.
        choice: a component, and the fields that count under each of its values only; those are
            left out at 0 too.
        more: a function of ours and its arguments, which gives further fields.
    """

    tab: str
    values: Mapping[str, Any]
    choice: tuple[Any, Mapping[str, Sequence[str]]] | None = None
    more: tuple[Any, ...] = ()

    @property
    def inputs(self) -> list[Any]:
        return [*self.values.values(), *([self.choice[0]] if self.choice else [])]

    def call(self, function: str, *arguments: Any) -> str:
        """JavaScript that calls a function of ours with this state."""
        modes = self.choice[1] if self.choice else {}
        fixed = {"tab": self.tab, "names": list(self.values), "modes": modes, "more": self.more}
        return call(function, fixed, *arguments)


def connect(pressed: gr.Button, state: State, shown: gr.HTML, words: str) -> None:
    """Copies a link to the state of a screen.

    Args:
        pressed: the button.
        state: of the screen.
        shown: where the link is shown as well.
        words: what the link does not hold.
    """
    script = state.call("copyLink", words)
    pressed.click(None, state.inputs, shown, js=script, api_visibility="private")


def remember(state: State, *changed: Callable[..., Any]) -> None:
    """Lets the address bar carry the state.

    Args:
        state: of the screen.
        changed: listeners of events after which it may be another one.
    """
    script = state.call("remember")
    for listen in changed:
        listen(None, state.inputs, None, js=script, api_visibility="private")


def restore(
    state: State,
    handler: Callable[[str], Any],
    outputs: Sequence[Any],
    after: Sequence[str],
    **options: Any,
) -> None:
    """Lets *Back*, and whatever offers a state, bring it: a button that the page's script presses.

    Args:
        state: of the screen.
        handler: from the address's query to its outputs.
        outputs: of the handler.
        after: JavaScript to run then.
        options: of the event.
    """
    button = gr.Button(visible="hidden", elem_id=f"{state.tab}-restore")
    query = gr.Textbox(visible="hidden")
    event = button.click(
        handler,
        query,
        outputs,
        js=call("withOffered", state.tab),
        # Whoever presses again meanwhile wants the newest.
        **private(**{"queue": False, "trigger_mode": "always_last", **options}),
    )
    restored = call("restored", state.tab)
    event.failure(None, js=restored, api_visibility="private")
    for script in (*after, restored):
        event = event.success(None, js=script, api_visibility="private")
