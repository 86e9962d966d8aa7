"""Faces: a source person with the head pose and expression of a driver."""

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, islice
from pathlib import Path
from typing import Any, Self, TypeAlias, overload

import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from fiancee_hub.batched import (
    Item,
    Routed,
    budgets_of,
    in_batches,
    in_order,
    is_several,
    one_each,
    route_batch,
)
from fiancee_hub.core.arguments import several, whole
from fiancee_hub.core.errors import InputError, about
from fiancee_hub.core.exits import EarlyExitModel
from fiancee_hub.core.nested import joined
from fiancee_hub.core.pixels import from_picture
from fiancee_hub.core.placing import wait_for
from fiancee_hub.core.precision import full_precision
from fiancee_hub.core.router import check_budget
from fiancee_hub.families.faces.clips import checked_fps, opened_frames
from fiancee_hub.families.faces.controlled import controlled
from fiancee_hub.families.faces.controls import Controls as Controls
from fiancee_hub.families.faces.controls import check_switch
from fiancee_hub.families.faces.generator import Appearance, PortraitGenerator
from fiancee_hub.families.faces.heads import Head
from fiancee_hub.families.faces.landmarks.expression import expression
from fiancee_hub.families.faces.landmarks.landmarker import Face, FaceLandmarker
from fiancee_hub.families.faces.landmarks.motion import Motion, crown_of, drive, head_of
from fiancee_hub.families.faces.landmarks.pose import Floats, canonicalise
from fiancee_hub.families.faces.photos import (
    GOOD_FACE,
    Box,
    FaceCrop,
    Photo,
    chosen,
    crop_at,
    crop_face,
    find_faces,
    nearest,
    paste_back,
    read_photo,
)
from fiancee_hub.families.faces.steadying import ExitHold, steadied
from fiancee_hub.hub.config import CheckpointConfig
from fiancee_hub.pipeline import FianceePipeline
from fiancee_hub.rendering import Rendering, compare
from fiancee_hub.results import Comparison, Result


@dataclass(frozen=True, eq=False)
class Source:
    """A person read once, to be driven many times.

    Args:
        photo: the whole photograph, upright.
        crop: the face's square in it.
        motion: the head in the crop.
        crown: outline of the head that moves with the skull.
        head: what the generator knows of the head.
        appearance: what the encoder made of the crop.
        milliseconds: that reading took, landmarks included.
        notes: what was done to the photograph.
    """

    photo: Photo
    crop: FaceCrop
    motion: Motion
    crown: Floats
    head: Head
    appearance: Appearance
    milliseconds: float
    notes: tuple[str, ...]

    def __repr__(self) -> str:
        """What was read, and how large the face is, in one line."""
        whole, (left, _, right, _) = self.photo.image, self.crop.box
        return f"<Source {whole.width}x{whole.height}: a square of {right - left} pixels>"


Several: TypeAlias = (
    list[str]
    | list[Path]
    | list[Image.Image]
    | list[NDArray[Any]]
    | list[Motion]
    | list[Controls]
    | list[bytes]
)
"""Lists that hold several drivers."""


@dataclass(frozen=True)
class ClipFrame:
    """One frame of a driven clip; ``result`` is None where the driver's face was not found."""

    index: int
    result: Result | None
    problem: str = ""


def filled(frames: Iterable[ClipFrame]) -> Iterator[Image.Image]:
    """A picture for every frame: where there is none, the last one stands, or at first the first.

    Nothing at all if no frame has a picture.
    """
    waiting, last = 0, None
    for frame in frames:
        if frame.result:
            last = frame.result.image
        waiting += 1
        if last:
            yield from [last] * waiting
            waiting = 0


def _known(frame: Any) -> tuple[Motion | None, str] | None:
    """What ``FacesPipeline.motions`` yields for a frame that was read before; None: it was not."""
    if isinstance(frame, Motion):
        return frame, ""
    if isinstance(frame, tuple) and len(frame) == 2:
        motion, problem = frame
        if isinstance(problem, str) and (motion is None or isinstance(motion, Motion)):
            return motion, problem
    return None


class FacesPipeline(FianceePipeline):
    """The source person with the driver's head pose and expression (after MegaPortraits)."""

    def __init__(self, model: EarlyExitModel, config: CheckpointConfig) -> None:
        super().__init__(model, config)
        self.trunk = model.trunk_as(PortraitGenerator)

    @cached_property
    def landmarker(self) -> FaceLandmarker:
        return FaceLandmarker()

    @cached_property
    def basis(self) -> Floats:
        """What each blendshape adds to the canonical landmarks, (52, 478, 3)."""
        return self.trunk.expression_basis.float().cpu().numpy()

    def to(self, *arguments: Any, device: Any = None, dtype: Any = None) -> Self:
        _ = self.basis  # read before it is rounded
        return super().to(*arguments, device=device, dtype=dtype)

    def read(
        self,
        photo: Any,
        *,
        face: int = 0,
        box: Box | None = None,
        faces: Sequence[Face] | None = None,
    ) -> tuple[Photo, FaceCrop]:
        """Finds a face and cuts it out.

        Args:
            photo: path, bytes, PIL image or array; any size from 48 pixels of face on, good from
                64 on.
            face: which of several, largest first; ``faces`` lists them.
            box: square of the photo (left, top, right, bottom) instead of the one found.
            faces: what ``faces`` returned for the photo: it is not searched again.

        Raises:
            InputError: no usable face; the message says what to do.
        """
        read = read_photo(photo)
        # The largest needs no search for small ones.
        known = faces or find_faces(read.image, self.landmarker, every=face != 0)
        if box is None:
            return read, crop_face(read.image, known, face)
        return read, crop_at(read.image, box, chosen(known, face))

    def faces(self, photo: Any) -> list[Face]:
        """All faces of a photo from 48 pixels on, largest first, with box and size of each.

        Raises:
            InputError: there is none, or it is no photo.
        """
        return find_faces(read_photo(photo).image, self.landmarker)

    def motion(self, photo: Any, *, face: int = 0, box: Box | None = None) -> Motion:
        """Head pose and expression of a photograph: a driver, or the reference of a clip.

        Args:
            photo: see ``read``; or the crop that ``read`` returned.
            face: which of several, largest first.
            box: square of the photo to take instead of the one found.
        """
        if isinstance(photo, Motion):
            return photo
        if isinstance(photo, FaceCrop):
            return self._motion_of(photo)
        _, crop = self.read(photo, face=face, box=box)
        return self._motion_of(crop)

    def _motion_of(self, crop: FaceCrop) -> Motion:
        pose = crop.pose
        return Motion(canonicalise(crop.landmarks, pose), pose, expression(crop.landmarks, pose))

    def motions(self, frames: Any, *, face: int = 0) -> Iterator[tuple[Motion | None, str]]:
        """The motion of one person in every frame of a clip.

        Args:
            frames: the path or the bytes of a clip, a file opened for reading, or RGB frames in
                order; what is a ``Motion`` already, or was yielded here, is passed on.
            face: which of several in the first frame that shows so many, largest first; later it
                is the face nearest to the one before.

        Yields:
            for each frame the motion, or None and why there is none.
        """
        last: Face | None = None
        face = whole(face, "face", 0)
        with opened_frames(frames) as clip:
            for frame in clip.frames:
                if (known := _known(frame)) is not None:
                    yield known
                    continue
                try:
                    last, crop = self._follow(read_photo(frame).image, last, face)
                except InputError as error:
                    yield None, str(error)
                    continue
                yield self._motion_of(crop), ""

    def _follow(self, frame: Image.Image, last: Face | None, face: int) -> tuple[Face, FaceCrop]:
        if last is not None and (there := self.landmarker.follow(frame, last)):
            # A face that is cut off may have been followed beside a whole one.
            with suppress(InputError):
                return there, crop_face(frame, [there])
        every = last is None and face != 0
        faces = find_faces(frame, self.landmarker, every=every, least=GOOD_FACE)
        index = face if last is None else nearest(faces, last)
        return chosen(faces, index), crop_face(frame, faces, index)

    @torch.inference_mode()
    def encode(
        self,
        photo: Any,
        *,
        face: int = 0,
        box: Box | None = None,
        faces: Sequence[Face] | None = None,
    ) -> Source:
        """Reads a source once; pass what it returns as ``source`` as often as you like.

        Args:
            photo: see ``read``.
            face: which of several, largest first.
            box: square of the photo to take instead of the one found.
            faces: what ``faces`` returned for the photo: it is not searched again.

        Raises:
            InputError: no usable face; the message says what to do.
        """
        if isinstance(photo, Source):
            return photo
        started = time.perf_counter()
        read, crop = self.read(photo, face=face, box=box, faces=faces)
        motion = self._motion_of(crop)
        crown = crown_of(motion.canonical)
        head = head_of(motion, crown, crop.picture.width)
        picture = self._as_input(crop.picture)
        with full_precision(picture.device):  # the predictor looks at it too
            appearance = self.trunk.encode(picture, self._placed(head))
        wait_for(self.device)
        milliseconds = 1000 * (time.perf_counter() - started)
        notes = read.notes + crop.notes
        return Source(read, crop, motion, crown, head, appearance, milliseconds, notes)

    def _as_input(self, picture: Image.Image) -> Tensor:
        side = self.size[0]
        resized = picture.convert("RGB").resize((side, side), Image.Resampling.LANCZOS)
        image = from_picture(resized)[None]
        return image.contiguous(memory_format=torch.channels_last).to(self.device)

    def _placed(self, head: Head) -> Head:
        """A head where the model is; positions keep float32."""
        return Head(*(part.to(self.device) for part in head))

    def _appearance(self, source: Source) -> Appearance:
        """What the encoder made of a source, for where the model is now; pixels keep float32."""
        read, dtype = source.appearance, self.trunk.to_rgb.weight.dtype
        features = tuple(level.to(self.device, dtype) for level in read.features)
        descriptor = read.descriptor.to(self.device, dtype)
        return Appearance(read.picture.to(self.device), features, descriptor)

    @torch.inference_mode()
    def prepare(
        self,
        *,
        source: Any,
        driver: Any,
        reference: Any = None,
    ) -> Rendering:
        """Reads the inputs and asks the predictor; exits are then rendered on demand.

        Args:
            source: a photograph, or what ``encode`` returned.
            driver: a photograph, a ``Motion``, or ``Controls``.
            reference: the driver's neutral picture or ``Motion``: driving is then relative to it.

        Raises:
            InputError: an input cannot be used; the message says what to do.
        """
        read = self.encode(source)
        return Rendering(self, self._inputs(read, driver, reference), 0, read.notes)

    @torch.inference_mode()
    def _inputs(self, source: Source, driver: Any, reference: Any) -> tuple[Appearance, Head, Head]:
        """What the model starts from: the source's appearance, its head and the wanted one."""
        target = self.target(source, driver, reference)
        head = head_of(target, source.crown, source.crop.picture.width)
        return self._appearance(source), self._placed(source.head), self._placed(head)

    def target(self, source: Source, driver: Any, reference: Any = None) -> Motion:
        """The motion that the source shall show."""
        if isinstance(driver, Controls):
            return controlled(source.motion, driver, self.basis)
        neutral = None if reference is None else self.motion(reference)
        return drive(source.motion, self.motion(driver), self.basis, neutral)

    @overload
    def __call__(
        self,
        *,
        source: Any,
        driver: Several,
        budget: float | Iterable[float] = 0.1,
        exit: int | None = None,
        reference: Any = None,
        progress: bool = False,
    ) -> list[Result]: ...

    @overload
    def __call__(
        self,
        *,
        source: Any,
        driver: Any,
        budget: float = 0.1,
        exit: int | None = None,
        reference: Any = None,
        progress: bool = False,
    ) -> Result: ...

    def __call__(
        self,
        *,
        source: Any,
        driver: Any,
        budget: Any = 0.1,
        exit: int | None = None,
        reference: Any = None,
        progress: bool = False,
    ) -> Result | list[Result]:
        """Renders a frame by the cheapest exit that keeps the budget, or one for each driver.

        Args:
            source: a photograph, or what ``encode`` returned (then it is not read again).
            driver: a photograph, a ``Motion`` or ``Controls``; or a list of them, for
                ``generate_batch``, which takes a list of sources as well.
            budget: LPIPS to full depth, 0 to 1; with a list one for each, or one for all.
            exit: render this exit whatever the budget.
            reference: the driver's neutral picture: driving is then relative to it.
            progress: show a bar on standard error, with a list.

        Returns:
            the result, of a list of drivers their results in its order.

        Raises:
            InputError: an argument cannot be used; the message says what to do.
        """
        if is_several(driver):
            return self.generate_batch(
                sources=source,
                drivers=driver,
                budget=budget,
                exit=exit,
                references=reference,
                progress=progress,
            )
        budget = check_budget(budget)
        rendering = self.prepare(source=source, driver=driver, reference=reference)
        return rendering.deliver(budget) if exit is None else rendering.result(exit)

    def generate_batch(
        self,
        *,
        sources: Any,
        drivers: Iterable[Any],
        budget: float | Iterable[float] = 0.1,
        exit: int | None = None,
        references: Any = None,
        batch_size: int = 8,
        progress: bool = False,
    ) -> list[Result]:
        """Routes every pair on its own, then renders the pairs of one exit together.

        Sums run in another order in a batch: a channel of a pixel may lie one grey level off what
        a single call gives.

        Args:
            sources: one source for all drivers, which is read once, or a list with one for each.
            drivers: any that ``__call__`` takes.
            budget: LPIPS, one for each driver or one for all.
            exit: render this exit whatever the budget.
            references: the drivers' neutral picture, or a list with one for each.
            batch_size: pairs that go through the model at once.
            progress: show a bar on standard error.

        Returns:
            a result for each driver.

        Raises:
            InputError: an argument cannot be used; the message says what to do.
        """
        wanted = list(several(drivers, "drivers", "pictures, motions or controls"))
        budgets = budgets_of(budget, len(wanted))
        exit = self.check_route(budgets, exit)
        size = whole(batch_size, "batch_size", 1)
        neutral = self._listed(references, len(wanted), "references")
        pairs = zip(
            self._listed(sources, len(wanted), "sources"), wanted, neutral, budgets, strict=True
        )
        routed = self._routed(enumerate(pairs), exit, size)
        batches = in_batches(self, routed, size, paid=exit is None)
        return in_order(chain.from_iterable(batches), len(wanted), progress=progress)

    def _listed(self, given: Any, count: int, name: str) -> list[Any]:
        """One for each driver; what is not a list is read once, for all."""
        if is_several(given):
            return one_each(given, count, name, "pictures")
        if given is not None and count:
            given = self.encode(given) if name == "sources" else self.motion(given)
        return [given] * count

    def _routed(
        self, pairs: Iterator[tuple[int, tuple[Any, Any, Any, float]]], exit: int | None, size: int
    ) -> Iterator[Routed[int]]:
        while chunk := list(islice(pairs, size)):
            items, inputs = [], []
            for place, (source, driver, reference, budget) in chunk:
                with about(f"pair {place} of drivers and sources, counted from 0"):
                    read = self.encode(source)
                    items.append(Item(place, budget, notes=read.notes))
                    inputs.append(self._inputs(read, driver, reference))
            yield from route_batch(self, joined(inputs), items, exit)

    def compare(
        self, *, source: Any, driver: Any, budget: float = 0.1, reference: Any = None
    ) -> Comparison:
        """The early result beside full depth, with their true LPIPS (needs ``lpips``)."""
        budget = check_budget(budget)
        rendering = self.prepare(source=source, driver=driver, reference=reference)
        return compare(rendering, budget)

    def animate(
        self,
        *,
        source: Any,
        frames: Any,
        budget: float = 0.1,
        exit: int | None = None,
        relative: bool = True,
        reference: Any = None,
        face: int = 0,
        fps: float | None = None,
        progress: bool = False,
    ) -> Iterator[ClipFrame]:
        """Drives one source with every frame of a clip; the source is encoded once.

        Args:
            source: a photograph, or what ``encode`` returned.
            frames: the driver: the path or the bytes of a clip of up to 30 seconds, a file opened
                for reading, RGB frames, or what ``motions`` made of them.
            budget: LPIPS to full depth, 0 to 1.
            exit: render this exit whatever the budget.
            relative: add the driver's change against its first frame to the source.
            reference: the driver's neutral picture or ``Motion``, in place of its first frame.
            face: which of several faces of the driver, largest first.
            fps: frames a second of the clip; a file says its own. Motion is then smoothed over
                time, and a cheaper exit is taken only after some frames that would all do with it.
                Frames without it stand alone.
            progress: show a bar on standard error.

        Yields:
            one entry for each frame; a frame without a usable face has no result.
        """
        budget = check_budget(budget)
        check_switch("relative", relative)
        if reference is not None and not relative:
            raise InputError("reference is for relative driving: leave it out, or relative=True")
        face = whole(face, "face", 0)
        neutral = None if reference is None else self.motion(reference)
        with opened_frames(frames) as clip:
            read = self.encode(source)
            motions, hold = self.motions(clip.frames, face=face), None
            rate = clip.fps if fps is None else fps
            if rate is not None:
                motions, hold = steadied(motions, checked_fps(rate)), ExitHold()
            shown = tqdm(motions, total=clip.count, disable=not progress, unit="frame")
            for index, (motion, problem) in enumerate(shown):
                if motion is None:
                    yield ClipFrame(index, None, problem)
                    continue
                if relative and neutral is None:
                    neutral = motion
                rendering = self.prepare(source=read, driver=motion, reference=neutral)
                if exit is None:
                    result = rendering.deliver(budget, hold.choose if hold else None)
                else:
                    result = rendering.result(exit)
                yield ClipFrame(index, result)

    def paste(self, source: Source, image: Image.Image) -> Image.Image:
        """A result back in the source's whole photograph.

        Args:
            source: what ``encode`` returned.
            image: a result's.

        Raises:
            InputError: they are something else.
        """
        if not isinstance(source, Source) or not isinstance(image, Image.Image):
            raise InputError("paste takes what encode returned, and a result's image")
        return paste_back(source.photo, source.crop, image)
