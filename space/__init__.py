"""The demo: screens, theme, texts and example inputs."""

from space import uploads

# Before anything imports Gradio.
uploads.keep_apart()
