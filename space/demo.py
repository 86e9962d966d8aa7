"""Puts the screens together and serves them."""

import logging
from dataclasses import dataclass
from pathlib import Path

import gradio as gr
import torch

from fiancee_hub.families.faces.pipeline import Controls, FacesPipeline
from fiancee_hub.families.label_maps.pipeline import StreetsPipeline
from space import texts
from space.faces import people
from space.faces import screen as face_screen
from space.label_maps import live
from space.label_maps import screen as streets
from space.page import embedding, inline, links, theme
from space.settings import Settings

logger = logging.getLogger(__name__)

TITLE = "FIANCEE: pictures that cost what they need"
CACHE_SECONDS = (600, 1800)
"""How often Gradio's cache is searched, and how old its files grow."""

CSS = Path(__file__).parent / "demo.css"
EDGE = Path(__file__).parent / "edge.js"


@dataclass(frozen=True)
class Models:
    """What the demo shows; ``faces`` is None where its checkpoint is missing."""

    streets: StreetsPipeline
    faces: FacesPipeline | None


def load(settings: Settings) -> Models:
    """The models, warmed up, so that the first visitor's times are true ones."""
    torch.set_num_threads(settings.threads)
    return Models(_streets(settings.streets), _faces(settings.faces))


def _streets(checkpoint: str) -> StreetsPipeline:
    pipe = StreetsPipeline.from_pretrained(checkpoint)
    assert isinstance(pipe, StreetsPipeline)
    height, width = pipe.size
    pipe.compare([[0] * width] * height, budget=0.0)
    return pipe


def _faces(checkpoint: str) -> FacesPipeline | None:
    # A Hub id is never an absolute path.
    if Path(checkpoint).is_absolute() and not Path(checkpoint).is_dir():
        logger.warning("There is no folder %s: the demo runs without faces", checkpoint)
        return None
    pipe = FacesPipeline.from_pretrained(checkpoint)
    assert isinstance(pipe, FacesPipeline)
    pipe.compare(source=people.examples()[0].path, driver=Controls(), budget=0.0)
    return pipe


def build(models: Models, settings: Settings) -> gr.Blocks:
    """The whole demo, not yet served."""
    with gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=CACHE_SECONDS) as demo:
        gr.Markdown(texts.read("header"), elem_id="header")
        if models.faces is None:
            gr.Markdown(texts.read("faces-missing"), elem_id="notice")
        with gr.Tabs(elem_id="tabs"):
            with gr.Tab("Streets", id="streets"):
                gr.Markdown(texts.read("streets"), elem_classes="lead")
                streets.screen(demo, models.streets)
                gr.Markdown(texts.read("limits"), elem_classes="limits")
            if models.faces is not None:
                with gr.Tab("Faces", id="faces") as tab:
                    gr.Markdown(texts.read("faces"), elem_classes="lead")
                    face_screen.screen(tab, models.faces)
                    gr.Markdown(texts.read("faces-limits"), elem_classes="limits")
            with gr.Tab("How it works", id="method"):
                gr.Markdown(texts.read("method"), elem_id="method")
                embedding.screen(demo)
        gr.Markdown(texts.read("footer"), elem_id="footer")
        for script in (EDGE, live.SCRIPT):
            demo.load(None, js=script.read_text(encoding="utf-8"), api_visibility="private")
        links.open_tab(demo, [links.STREETS, *([links.FACES] if models.faces else [])])
    demo.queue(max_size=settings.queue)
    return demo


def launch(demo: gr.Blocks, models: Models, settings: Settings) -> None:
    """Serves the demo until it is stopped."""
    inline.keep_apart()
    demo.launch(
        theme=theme.theme(),
        css=CSS.read_text(encoding="utf-8") + theme.class_chips(models.streets.config.classes),
        ssr_mode=False,
        max_file_size=settings.upload,
        footer_links=["api", "gradio"],
        mcp_server=True,
        app_kwargs=embedding.app_options(),
        strict_cors=not settings.local_pages,
        # Neither a history of people's pictures in the browser nor figures for everybody.
        run_history=False,
        enable_monitoring=False,
    )
