"""Look of the demo; fonts are the visitor's own, so that no other host is asked for anything."""

from collections.abc import Sequence

import gradio as gr

from fiancee_hub.families.label_maps.classes import ClassEntry

SANS = ("ui-sans-serif", "system-ui", "Segoe UI", "Roboto", "Helvetica", "Arial", "sans-serif")
MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace")


def theme() -> gr.themes.Base:
    """Calm slate with one teal accent."""
    return gr.themes.Base(
        primary_hue="teal",
        secondary_hue="teal",
        neutral_hue="slate",
        radius_size="lg",
        font=list(SANS),
        font_mono=list(MONO),
    ).set(
        body_background_fill="*neutral_50",
        body_background_fill_dark="*neutral_950",
        button_primary_background_fill="*primary_700",
        button_primary_background_fill_hover="*primary_800",
        button_primary_background_fill_dark="*primary_700",
        button_primary_background_fill_hover_dark="*primary_800",
        button_primary_text_color="white",
        block_shadow="none",
        block_label_text_color="*neutral_600",
        block_label_text_color_dark="*neutral_300",
        block_title_text_color="*neutral_700",
        block_title_text_color_dark="*neutral_200",
        link_text_color="*primary_700",
        link_text_color_visited="*primary_700",
        link_text_color_visited_dark="*primary_400",
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_400",
        checkbox_border_color_dark="*neutral_500",
        checkbox_label_background_fill="*neutral_100",
        checkbox_label_background_fill_hover="*neutral_200",
        checkbox_label_background_fill_dark="*neutral_800",
    )


def hex_colour(entry: ClassEntry) -> str:
    return "#{:02x}{:02x}{:02x}".format(*entry.colour)


def class_chips(classes: Sequence[ClassEntry]) -> str:
    """CSS that gives the n-th choice of the class picker the n-th class's colour."""
    return "\n".join(
        f"#classes label:nth-of-type({position}) {{ --chip: {hex_colour(entry)} }}"
        for position, entry in enumerate(classes, 1)
    )
