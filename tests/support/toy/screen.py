"""What the page shows of a toy checkpoint: a size, a button and a disc."""

import gradio as gr

from space.page.tabs import Sample, Screen, Tab
from toy.pipeline import ToyPipeline

COLOUR = (1.0, 0.5, 0.0)


def _place(tab: Tab, pipe: ToyPipeline) -> None:
    size = gr.Slider(0, 1, 0.5, label="Size")
    picture = gr.Image(elem_id=tab.id("picture"))
    gr.Button("Draw").click(
        lambda value: pipe(COLOUR, size=value).image,
        size,
        picture,
        api_name=tab.endpoint("draw"),
    )


def _samples(pipe: ToyPipeline) -> list[list[Sample]]:
    return [[Sample(pipe.prepare(COLOUR), "Orange")]]


SCREEN = Screen(
    warm_up=lambda pipe: pipe(COLOUR), place=_place, fields=lambda pipe: {}, samples=_samples
)
