"""Puts the screens together, one tab for each checkpoint, and serves them."""

import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr

from fiancee_hub.core.errors import FianceeError
from fiancee_hub.pipeline import AutoPipeline, FianceePipeline
from space import texts
from space.page import embedding, inline, leftovers, limits, links, scripts, server, sessions, theme
from space.page.markup import render
from space.page.model_threads import submit, use
from space.page.promised import Promised
from space.page.tabs import Screen, Tab, when_opened
from space.result.sharing import TITLE, Shared, Sharing
from space.screens import SCREENS, screen_of
from space.settings import Checkpoint, Settings, in_bytes

logger = logging.getLogger(__name__)

CACHE_SECONDS = (600, 1800)
"""How often Gradio's cache is searched, and how old its files grow."""

CLASS = "fiancee"
"""Around all of the page: what its styles and nobody else's begin with."""


@dataclass(frozen=True)
class Loaded:
    """A checkpoint of the settings with the screen that shows it; neither where it did not load."""

    name: str
    pipe: FianceePipeline | None = None
    screen: Screen | None = None
    fields: Mapping[str, links.Field] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """Heading of its tab."""
        title = self.pipe.config.domain.title if self.pipe else ""
        return title or self.name.replace("-", " ").capitalize()


def load(settings: Settings) -> tuple[Loaded, ...]:
    """The checkpoints, warmed up, so that the first visitor's times are true ones."""
    use(settings.threads)
    return tuple(submit(_loaded, one).result() for one in settings.checkpoints)


def promise(settings: Settings) -> tuple[Loaded, ...]:
    """The checkpoints, those in folders not yet loaded: ``launch`` lets that happen."""
    use(settings.threads)
    return tuple(
        _loaded(one, promised=True) if Path(one.address).is_dir() else submit(_loaded, one).result()
        for one in settings.checkpoints
    )


def _loaded(checkpoint: Checkpoint, *, promised: bool = False) -> Loaded:
    try:
        load = partial(Promised, checkpoint.name) if promised else AutoPipeline.from_pretrained
        pipe: Any = load(checkpoint.address)
        screen = screen_of(pipe)
        if not promised:
            screen.warm_up(pipe)
        fields = screen.fields(pipe)
    except Exception as error:
        # Whatever it is, it costs this tab and no other.
        known = isinstance(error, FianceeError | LookupError)
        logger.error("Tab %s: %s", checkpoint.name, error, exc_info=not known)
        return Loaded(checkpoint.name)
    return Loaded(checkpoint.name, pipe, screen, fields)


def build(checkpoints: Sequence[Loaded], settings: Settings) -> gr.Blocks:
    """The whole demo, not yet served."""
    sessions.keep_light()
    with gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=CACHE_SECONDS) as demo:
        with gr.Column(elem_classes=CLASS):
            gr.Markdown(texts.read("header"), elem_id="header")
            links.open_tab(demo, {loaded.name: loaded.fields for loaded in checkpoints})
            with gr.Tabs(elem_id="tabs"):
                for number, loaded in enumerate(checkpoints):
                    with gr.Tab(loaded.title, id=loaded.name) as tab:
                        _place(loaded, demo, tab, first=number == 0)
                with gr.Tab("How it works", id="method"):
                    gr.Markdown(texts.read("method"), elem_id="method")
                    embedding.screen()
            gr.Markdown(texts.read("footer"), elem_id="footer")
            gr.HTML(render("whole_page.html"), elem_classes="whole-page")
        limits.connect(settings.upload)
    demo.queue(max_size=settings.queue)
    sessions.keep_no_statistics(demo)
    sessions.rest_between_calls(demo)
    return demo


def _place(loaded: Loaded, demo: gr.Blocks, tab: gr.Tab, *, first: bool) -> None:
    """The screen of a checkpoint, or a sentence in its place."""
    if loaded.screen is None:
        words = texts.read("missing").format(title=loaded.title)
        gr.Markdown(words, elem_id=f"{loaded.name}-missing", elem_classes="missing-tab")
        return
    opened = when_opened(demo, tab, first=first)
    loaded.screen.place(Tab(loaded.name, loaded.title, opened, first), loaded.pipe)


def style(checkpoints: Sequence[Loaded]) -> str:
    """CSS of the tabs; that of the page stands in its head."""
    shown = [one for one in checkpoints if one.screen]
    return "\n".join(one.screen.style(one.name, one.pipe) for one in shown if one.screen)


def sharing(checkpoints: Sequence[Loaded]) -> Sharing:
    """Cards for links to the tabs."""
    return Sharing(
        {
            one.name: Shared(one.title, one.fields, partial(one.screen.rendering, one.pipe))
            for one in checkpoints
            if one.screen and one.screen.rendering
        }
    )


def launch(demo: gr.Blocks, checkpoints: Sequence[Loaded], settings: Settings) -> None:
    """Serves the demo until it is stopped, at first while its checkpoints are being loaded."""
    try:
        # It is reached, and may be stopped, before it has begun to wait for that.
        with suppress(KeyboardInterrupt):
            _begin(demo, checkpoints, settings)
            demo.block_thread()
    finally:
        leftovers.clear(demo)


def _begin(demo: gr.Blocks, checkpoints: Sequence[Loaded], settings: Settings) -> None:
    inline.keep_apart()
    cards = sharing(checkpoints)
    demo.launch(
        theme=theme.theme(),
        css=style(checkpoints),
        head=scripts.head(
            (path for screen in SCREENS.values() for path in screen.scripts),
            mostBytes=in_bytes(settings.upload),
        ),
        ssr_mode=False,
        max_file_size=in_bytes(settings.upload),
        footer_links=["api", "gradio"],
        mcp_server=True,
        app_kwargs=server.app_options(
            cards.describe,
            [cards.route(), *(route for screen in SCREENS.values() for route in screen.routes)],
        ),
        strict_cors=not settings.local_pages,
        # Neither a history of people's pictures in the browser nor figures for everybody.
        run_history=False,
        enable_monitoring=False,
        prevent_thread_lock=True,
    )
    _fulfil([one for one in checkpoints if isinstance(one.pipe, Promised)])
    leftovers.tidy(demo)


def _fulfil(promised: Sequence[Loaded]) -> None:
    """Loads one after the other; what visitors want of one has its turn before the next."""
    if promised:
        first, *others = promised
        submit(_warm, first).add_done_callback(lambda _: _fulfil(others))


def _warm(loaded: Loaded) -> None:
    assert loaded.screen
    loaded.screen.warm_up(loaded.pipe)
