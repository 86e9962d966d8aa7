"""What a call returns: one picture, or the early one beside full depth."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from PIL import Image

from fiancee_hub.core.marking import save_picture


@dataclass(frozen=True)
class Result:
    """One delivered picture.

    Args:
        image: the picture.
        exit: the exit that made it, 1 … K; K is full depth.
        predicted_lpips: the predictor's LPIPS to full depth, 0 for full depth itself.
        macs: multiply-accumulates, the predictor included where it chose the exit.
        saving: 1 − macs / MACs of full depth; slightly below 0 when the router chose full depth.
        milliseconds: time of the network for this picture from the beginning, as if made alone;
            its share of a batch. Reading a source picture is no part of it.
        seed: of the noise.
        notes: what was done to the input, one sentence each.
        source_macs: of reading the source picture once, which serves many drivers; not part of
            ``macs``. 0 where nothing is read ahead.
        backend: what ran the stages: "eager", "compile", "onnxruntime" or "openvino".
    """

    image: Image.Image
    exit: int
    predicted_lpips: float
    macs: int
    saving: float
    milliseconds: float
    seed: int
    notes: tuple[str, ...] = ()
    source_macs: int = 0
    backend: str = "eager"

    def save(self, path: str | Path) -> None:
        """Writes the picture, marked as generated, whole or not at all.

        Args:
            path: the file; its ending says the format: .png, .jpg, .webp, .avif or .tif.

        Raises:
            InputError: the ending says no format with a place for the mark.
            OutputError: it could not be written; an older file is still there.
        """
        save_picture(self.image, path)

    def __repr__(self) -> str:
        from fiancee_hub.notebook import of_result

        return of_result(self)

    def _repr_png_(self) -> bytes:
        """What a notebook shows."""
        from fiancee_hub.notebook import png

        return png(self.image)


@dataclass(frozen=True)
class Comparison:
    """The early result, full depth, and the truth about their distance.

    Args:
        early: what the budget buys.
        full: full depth for the same input and noise.
        lpips: true LPIPS between the two.
        kept: whether ``lpips`` is within the budget.
        budget: LPIPS.
    """

    early: Result
    full: Result
    lpips: float
    kept: bool
    budget: float

    def save(
        self, path: str | Path, inputs: Mapping[str, Image.Image] = MappingProxyType({})
    ) -> None:
        """Writes both pictures side by side, marked as generated, whole or not at all.

        Args:
            path: the file; its ending says the format, as for ``Result.save``.
            inputs: pictures to show before them, by heading.

        Raises:
            InputError: the ending says no format with a place for the mark.
            OutputError: it could not be written; an older file is still there.
        """
        from fiancee_hub.measuring.contact_sheet import contact_sheet

        early = f"exit {self.early.exit} of {self.full.exit}"
        made = {early: self.early.image, "full depth": self.full.image}
        columns = {heading: [picture] for heading, picture in {**inputs, **made}.items()}
        save_picture(contact_sheet(columns, picture_width=self.early.image.width), path)

    def __repr__(self) -> str:
        from fiancee_hub.notebook import of_comparison

        return of_comparison(self)

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        from fiancee_hub.notebook import table

        return table(self)
