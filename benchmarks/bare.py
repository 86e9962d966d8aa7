"""A bare Gradio endpoint, beside which the demo's are measured: a file comes in, and the same file
goes out."""

from typing import Any

import gradio as gr
from gradio.data_classes import FileData


def same(file: FileData) -> FileData:
    given: Any = file
    returned: Any = {"path": given["path"], "meta": {"_type": "gradio.FileData"}}
    return returned


with gr.Blocks(analytics_enabled=False) as page:
    gr.api(same, api_name="same", concurrency_limit=1)

if __name__ == "__main__":
    page.launch(ssr_mode=False, enable_monitoring=False, quiet=True)
