"""What the page keeps of a result: every exit's picture and figures, and how to make them again."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from fiancee_hub.core.router import Forecast
from fiancee_hub.rendering import Rendering, true_lpips
from fiancee_hub.results import Result
from space.page.files import picture_address
from space.page.model_threads import undisturbed
from space.result import code
from space.result.code import Recipe
from space.result.facts import Outcome
from space.result.network import Network, network_of, prices
from space.result.plots import Point
from space.result.times import times_of


@dataclass(frozen=True, eq=False)
class ExitPicture:
    """What one exit made.

    Args:
        result: the picture, with the figures that the page states of this exit everywhere: an
            early exit has paid for the predictor that chose it, full depth needs none; the time
            is a running median.
        lpips: true LPIPS to full depth; None until that is rendered.
    """

    result: Result
    lpips: float | None

    @cached_property
    def thumbnail(self) -> str:
        """``data:`` address of the picture for looking at, not for measuring."""
        return picture_address(self.result.image, "webp")


@dataclass(frozen=True, eq=False)
class Record:
    """The exits of one rendering, as far as they are known.

    Moving the budget asks the router again and looks here for the picture: nothing is rendered.

    Args:
        network: that makes them.
        forecast: what the predictor said.
        macs: of every exit, the predictor paid for, full depth last, which needs none.
        budget: LPIPS.
        chosen: the exit that stands for the early picture, 1 … K.
        pictures: those rendered so far, by exit.
        full_milliseconds: of full depth, a running median; None where none was measured yet.
        source_milliseconds: that reading the source took; 0 where nothing is read ahead.
        recipe: how a program makes them; None for one that is gone in a moment.
    """

    network: Network
    forecast: Forecast
    macs: tuple[int, ...]
    budget: float
    chosen: int
    pictures: Mapping[int, ExitPicture]
    full_milliseconds: float | None = None
    source_milliseconds: float = 0.0
    recipe: Recipe | None = None

    @classmethod
    def begin(
        cls,
        rendering: Rendering,
        budget: float,
        source_milliseconds: float = 0.0,
        chosen: int | None = None,
        recipe: Recipe | None = None,
    ) -> "Record":
        """The early picture alone: ``chosen``, or the exit that ``budget`` buys."""
        chosen = rendering.route(budget) if chosen is None else chosen
        macs = prices(rendering.pipeline.config.costs)
        record = cls(
            network_of(rendering.pipeline),
            rendering.forecast,
            macs,
            budget,
            chosen,
            {},
            source_milliseconds=source_milliseconds,
            recipe=recipe,
        )
        return record.add(rendering, chosen)

    def add(self, rendering: Rendering, *exits: int) -> "Record":
        """The record with further exits of the same rendering; full depth brings the truth."""
        wanted = {*self.pictures, *exits}
        truth = self.exits in wanted
        pictures = {index: self._picture(rendering, index, truth) for index in sorted(wanted)}
        known = pictures.get(self.exits)
        full = known.result.milliseconds if known else times_of(rendering.pipeline).of(self.exits)
        return replace(self, pictures=pictures, full_milliseconds=full)

    def _picture(self, rendering: Rendering, index: int, truth: bool) -> ExitPicture:
        known = self.pictures.get(index)
        if known and (known.lpips is not None or not truth):
            return known
        lpips = true_lpips(rendering, index) if truth else None
        return ExitPicture(known.result if known else self._measured(rendering, index), lpips)

    def _measured(self, rendering: Rendering, index: int) -> Result:
        made = rendering.result(index) if index == self.exits else rendering.routed(index)
        times = times_of(rendering.pipeline)
        if undisturbed():
            times.note(index, made.milliseconds)
        return replace(made, milliseconds=times.of(index) or made.milliseconds)

    def at(self, budget: float) -> "Record":
        """The record routed anew.

        Raises:
            InputError: the budget is no number from 0 to 1.
        """
        return replace(self, budget=budget, chosen=self.forecast.route(budget))

    def showing(self, exit_index: int) -> "Record":
        """The record with another exit for the early picture, whatever the budget."""
        return replace(self, chosen=exit_index)

    @property
    def routed(self) -> int:
        """The exit that the budget takes."""
        return self.forecast.route(self.budget)

    @property
    def code(self) -> str:
        """Python that makes the early picture; says so where it is on its way."""
        if self.recipe is None:
            return code.WAITING
        return code.lines(self.recipe, self.budget, self.chosen, self.routed, self.exits)

    @property
    def exits(self) -> int:
        return len(self.macs)

    @property
    def shares(self) -> tuple[float, ...]:
        """Cost of every exit, 1 is full depth's."""
        return tuple(macs / self.macs[-1] for macs in self.macs)

    @property
    def complete(self) -> bool:
        return len(self.pictures) == self.exits

    @property
    def early(self) -> ExitPicture:
        return self.pictures[self.chosen]

    @property
    def full(self) -> ExitPicture | None:
        return self.pictures.get(self.exits)

    @property
    def predicted(self) -> tuple[float, ...]:
        """Predicted LPIPS of every exit; full depth has distance 0."""
        return (*self.forecast.predicted, 0.0)

    @property
    def outcome(self) -> Outcome:
        """The early picture beside full depth."""
        return Outcome(
            self.early.result,
            self.budget,
            self.exits,
            self.full.result if self.full else None,
            self.early.lpips,
            self.source_milliseconds,
            self.macs[-1],
            self.full_milliseconds,
        )

    @property
    def points(self) -> list[Point]:
        """What is known of every exit; the truth only once it is known of all."""
        known = zip(self.macs, self.predicted, strict=True)
        return [self._point(index, *values) for index, values in enumerate(known, 1)]

    def _point(self, index: int, macs: int, predicted: float) -> Point:
        if not self.complete:
            return Point(index, macs, predicted)
        picture = self.pictures[index]
        return Point(index, macs, predicted, picture.lpips, picture.result.milliseconds)
