"""The faces screen: its parts in their places, and what programs call."""

from pathlib import Path

import gradio as gr

from fiancee_hub.families.faces.controls import Controls
from fiancee_hub.families.faces.pipeline import FacesPipeline
from space import texts
from space.faces import camera_routes
from space.faces.events import Handlers
from space.faces.examples import examples
from space.faces.parts import Buttons, FaceScreen, camera_place, clip_place, people, result
from space.faces.samples import samples
from space.faces.wiring import connect
from space.faces.wish import KIND, fields, rendering
from space.page import endpoints
from space.page.tabs import Screen, Tab
from space.result import budget as budgets
from space.result import comparison, stored
from space.result.budget import chain_place
from space.result.comparison import View

PICTURE_HEIGHT = 340

SCRIPTS = ("faces.js", "camera.js")


def warm_up(pipe: FacesPipeline) -> None:
    pipe.compare(source=examples()[0].path, driver=Controls(), budget=0.0)


def style(name: str, pipe: FacesPipeline) -> str:
    return comparison.picture_style(name, pipe.size)


def place(tab: Tab, pipe: FacesPipeline) -> None:
    """Puts the screen into the tab that is being built."""
    handlers = Handlers(tab, pipe)
    taken = chain_place(tab, handlers.network)
    view = View(tab, handlers.network, taken, PICTURE_HEIGHT)
    with gr.Column(elem_id=tab.id("screen"), elem_classes=["screen", "faces-screen"]):
        view.place("headline")
        with gr.Row(equal_height=False, elem_classes="work"):
            with gr.Column(min_width=300, elem_classes="work-input"):
                source, driver, make = people(handlers)
            with gr.Column(min_width=300, elem_classes="work-result"):
                # On a phone the pictures stay in sight above the sliders.
                with gr.Column(
                    min_width=300, elem_id=tab.id("pictures-group"), elem_classes="pictures-group"
                ) as pictures:
                    view.place_pictures()
                clip, clip_stale = clip_place(tab)
                filmed = camera_place(tab)
                budget = budgets.budget_control(tab, taken)
        stored.place_contrast(tab, pipe)
        with gr.Column(elem_classes="details"):
            gr.Markdown(texts.lead(pipe.config.domain, KIND), elem_classes="lead")
            buttons = Buttons(
                gr.Button("Generate", variant="primary", elem_id=tab.id("generate")),
                make,
                gr.Button(visible="hidden", elem_id=tab.id("settle")),
                gr.Button(visible="hidden", elem_id=tab.id("camera-open")),
            )
            results = result(view, pictures, clip, clip_stale, filmed)
            budgets.budget_details(tab, pipe.config.domain.name, KIND)
    screen = FaceScreen(tab, source, driver, budget, buttons, results)
    connect(handlers, screen)
    for action, handler in (("reenact", handlers.reenact), ("drive", handlers.drive)):
        # The tab that comes along has the names that programs know.
        name = action if tab.name == KIND else tab.endpoint(action)
        endpoints.publish(handler, name, tab.name)
    gr.Markdown(texts.limits(pipe.config.domain, KIND), elem_classes="limits")


SCREEN = Screen(
    warm_up,
    place,
    fields,
    samples,
    style,
    rendering=rendering,
    scripts=(*comparison.SCRIPTS, *(Path(__file__).with_name(name) for name in SCRIPTS)),
    routes=camera_routes.routes(),
)
