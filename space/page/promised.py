"""A checkpoint's pipeline before it is loaded: the page is built from its config meanwhile."""

import logging
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any

from fiancee_hub.core.errors import FianceeError, InputError
from fiancee_hub.hub.checkpoints import CONFIG
from fiancee_hub.hub.config import read_config
from fiancee_hub.pipeline import AutoPipeline, FianceePipeline, pipeline_class
from space import texts
from space.page.model_threads import with_all_processors

logger = logging.getLogger(__name__)


class Promised:
    """Stands for the pipeline of a folder: whoever needs the model loads it, or waits for it.

    Args:
        name: of its tab.
        folder: of the checkpoint, whose config is read at once.

    Raises:
        CheckpointError: the config cannot be used.
    """

    def __init__(self, name: str, folder: str | Path) -> None:
        self.name, self.loaded_from = name, Path(folder)
        self.config = read_config(self.loaded_from / CONFIG)
        self._kind = pipeline_class(self.config)
        self._lock = Lock()
        self._pipe: FianceePipeline | None = None
        self._failed = False

    @property
    def size(self) -> tuple[int, int]:
        return self.config.generator.height, self.config.generator.width

    @property
    def settled(self) -> bool:
        """Whether it is loaded, or cannot be."""
        return self._pipe is not None or self._failed

    def wait(self) -> FianceePipeline:
        """The pipeline.

        Raises:
            InputError: it cannot be loaded; the log says why.
        """
        with self._lock:
            if not self.settled:
                self._load()
        if self._pipe is None:
            raise InputError(texts.read("missing").format(title=self.name.capitalize()).strip())
        return self._pipe

    def _load(self) -> None:
        try:
            # A backend keeps the number of threads that it is made with.
            self._pipe = with_all_processors(AutoPipeline.from_pretrained, self.loaded_from)
        except Exception as error:
            self._failed = True
            known = isinstance(error, FianceeError)
            logger.error("Tab %s: %s", self.name, error, exc_info=not known)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if self._pipe is None and name in self._kind.without_model:
            return partial(getattr(self._kind, name), self)
        return getattr(self.wait(), name)

    def __call__(self, *inputs: Any, **options: Any) -> Any:
        return self.wait()(*inputs, **options)
