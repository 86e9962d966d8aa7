"""Puts the screens together and serves them."""

from pathlib import Path

import gradio as gr
import torch

from fiancee_hub.pipelines import FianceePipeline
from space import streets, texts, theme
from space.settings import Settings

TITLE = "FIANCEE streets: pictures that cost what they need"
CACHE_SECONDS = 3600
CSS = Path(__file__).parent / "demo.css"


def load(settings: Settings) -> FianceePipeline:
    """The streets model, warmed up, so that the first visitor's times are true ones."""
    torch.set_num_threads(settings.threads)
    pipe = FianceePipeline.from_pretrained(settings.streets)
    height, width = pipe.size
    pipe.compare([[0] * width] * height, budget=0.0)
    return pipe


def build(pipe: FianceePipeline, settings: Settings) -> gr.Blocks:
    """The whole demo, not yet served."""
    with gr.Blocks(
        title=TITLE, analytics_enabled=False, delete_cache=(CACHE_SECONDS, CACHE_SECONDS)
    ) as demo:
        gr.Markdown(texts.read("header"), elem_id="header")
        streets.screen(demo, pipe)
        gr.Markdown(texts.read("limits"), elem_id="limits")
    demo.queue(max_size=settings.queue)
    return demo


def launch(demo: gr.Blocks, pipe: FianceePipeline, settings: Settings) -> None:
    """Serves the demo until it is stopped."""
    demo.launch(
        theme=theme.theme(),
        css=CSS.read_text(encoding="utf-8") + theme.class_chips(pipe.config.classes),
        ssr_mode=False,
        max_file_size=settings.upload,
        footer_links=["api", "gradio"],
    )
