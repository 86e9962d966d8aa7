"""Links that bring a state back: which example, which budget, which seed."""

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import gradio as gr

from fiancee_hub.core.errors import InputError
from fiancee_hub.families.faces.photos import MOST_TURNED
from space.faces import people
from space.label_maps import maps
from space.page.errors import plainly
from space.result.budget import BUDGET, MOST_BUDGET

STREETS, FACES = "streets", "faces"

EXAMPLES: Mapping[str, Callable[[], Sequence[Any]]] = {
    STREETS: maps.examples,
    FACES: people.examples,
}

POSE = {
    **dict.fromkeys(("yaw", "pitch", "roll"), (-MOST_TURNED, MOST_TURNED)),
    **dict.fromkeys(("smile", "mouth", "blink"), (0.0, 1.0)),
}
"""The sliders that move a face, from where to where."""

NAMES = {"family", "example", "driver", "budget", "seed", *POSE}

MOST_SEED = 2**53 - 1
"""The largest whole number that a browser keeps exactly."""

# In a foreign page the element says where the demo is, on its own page the address bar does.
_SOURCE = "document.querySelector('gradio-app')?.getAttribute('src') ?? ''"
QUERY = f"new URL(({_SOURCE}) || location.href, location.href).search"
"""JavaScript: the state in the page's address."""

CLICK_TAB = """(family) => [...document.querySelectorAll('#tabs [role=tab]')]
  .find((tab) => tab.textContent.trim().toLowerCase() === family)?.click()"""

COPY = f"""async (...values) => {{
  const state = Object.entries((%s)(...values)).filter(([, value]) => value || value === 0);
  const source = {_SOURCE};
  const link = new URL(source || location.pathname, location.href);
  link.search = new URLSearchParams(state);
  if (!source) history.replaceState(null, '', link);
  const copied = await navigator.clipboard?.writeText(link.href).then(() => true, () => false);
  const address = link.href.replaceAll('&', '&amp;');
  return `<p role="status">${{copied ? 'Copied' : 'Copy this link'}}: ` +
    `<a href="${{address}}">${{address}}</a><br>%s</p>`;
}}"""


@dataclass(frozen=True)
class Link:
    """A state of one of the screens.

    Args:
        family: streets or faces.
        example: number of the map or of the source, from 0; None for the first.
        driver: number of the driver's example; None where sliders drive.
        budget: LPIPS.
        seed: of the noise, streets only.
        pose: positions of the sliders that are not at 0, faces only.
    """

    family: str
    example: int | None = None
    driver: int | None = None
    budget: float = BUDGET
    seed: int = 0
    pose: Mapping[str, float] = field(default_factory=dict)


def read(query: str) -> Link | None:
    """The state in an address's query; None if it has none.

    Raises:
        InputError: a value is none that the screen can have; the message names the choice.
    """
    given = {name: value for name, value in parse_qsl(query.lstrip("?")) if name in NAMES}
    if not given:
        return None
    family = _one_of("family", given.get("family", STREETS), list(EXAMPLES))
    choices = slugs(family)
    example, driver = (
        choices.index(_one_of(name, given[name], choices)) if name in given else None
        for name in ("example", "driver")
    )
    return Link(
        family,
        example,
        driver,
        _number("budget", given.get("budget", str(BUDGET)), 0, MOST_BUDGET),
        _seed(given.get("seed", "0")),
        {name: _number(name, given[name], *POSE[name]) for name in POSE if name in given},
    )


def wanted(query: str, family: str) -> Link | None:
    """The state of this family's screen, if the query has one that can be used."""
    try:
        link = read(query)
    except InputError:
        # Said once, by ``asked_for``.
        return None
    return link if link and link.family == family else None


def slugs(family: str) -> list[str]:
    """What links call the examples of a family."""
    return [_slug(example.name) for example in EXAMPLES[family]()]


def slug(family: str, number: int) -> str:
    return slugs(family)[number]


def _slug(name: str) -> str:
    return re.sub(r"\W+", "-", name.lower()).strip("-")


def _one_of(name: str, value: str, choices: Sequence[str]) -> str:
    if value not in choices:
        raise InputError(
            f"The link's {name} {value[:40]!r} does not exist: choose one of {', '.join(choices)}."
        )
    return value


def _number(name: str, value: str, least: float, most: float) -> float:
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not least <= number <= most:
        raise InputError(
            f"The link's {name} {value[:40]!r} is out of range: give {least:g} to {most:g}."
        )
    return number


def _seed(value: str) -> int:
    digits = value.isascii() and value.isdigit() and len(value) <= len(str(MOST_SEED))
    if not digits or int(value) > MOST_SEED:
        raise InputError(
            f"The link's seed {value[:40]!r} is out of range: give a whole number from 0 to "
            f"{MOST_SEED}."
        )
    return int(value)


def open_tab(demo: gr.Blocks, families: Sequence[str]) -> None:
    """Lets the page open with the tab that a link asks for, or say why the link is of no use."""
    query = gr.Textbox(visible="hidden")
    asked = demo.load(
        plainly(lambda text: asked_for(text, families)),
        query,
        query,
        js=f"() => {QUERY}",
        show_progress="hidden",
        api_visibility="private",
    )
    # As an output the tabs would make Gradio read, and upload, the editor at every step.
    asked.success(None, query, js=CLICK_TAB, api_visibility="private")


def asked_for(query: str, families: Sequence[str]) -> str:
    """The family whose tab a link opens; nothing where it is the first one, open anyway.

    Raises:
        InputError: the link cannot be used; the page stays as it is without one.
    """
    link = read(query)
    if link and link.family not in families:
        raise InputError(f"This page has no {link.family}: open the link where it came from.")
    # A visitor may be elsewhere already, and is not to be called back.
    return link.family if link and link.family != families[0] else ""


def button(prefix: str) -> gr.Button:
    return gr.Button("Copy link", size="sm", min_width=130, elem_id=f"{prefix}copy-link")


def place(prefix: str) -> gr.HTML:
    """Where the copied link is shown."""
    return gr.HTML(elem_id=f"{prefix}link", elem_classes="link")


def connect(
    pressed: gr.Button, inputs: Sequence[Any], shown: gr.HTML, state: str, words: str
) -> None:
    """Copies a link to the state of a screen.

    Args:
        pressed: the button.
        inputs: components whose values make the state.
        shown: where the link is shown as well.
        state: JavaScript that makes an object of the values; those that are empty are left out.
        words: what the link does not hold.
    """
    script = COPY % (state, json.dumps(words)[1:-1])
    pressed.click(None, list(inputs), shown, js=script, api_visibility="private")
