"""Figures of faces that full depth, exits and budgets deliver, beside the baselines'."""

from dataclasses import dataclass, replace
from operator import itemgetter

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fiancee_hub.core.nested import each_tensor
from fiancee_hub.core.perceptual import PerceptualDistance
from fiancee_hub.core.pixels import signed
from fiancee_hub.evaluation.evaluate import Figures
from fiancee_hub.families.faces.heads import Head
from fiancee_hub.families.faces.judging.looks import FaceReader, Gallery, Seen
from fiancee_hub.families.faces.judging.pairs import FramePair
from fiancee_hub.families.faces.judging.scores import (
    Scores,
    Values,
    landmark_errors,
    mean_ratio,
    most_motion,
    score,
)
from fiancee_hub.families.faces.training.pairs import FaceFolder
from fiancee_hub.measuring.measure import Trial

BATCH = 4


@dataclass(frozen=True, eq=False)
class Shown:
    """One kind of pairs and everything made of them; pictures uint8 (n, 3, side, side).

    Args:
        pairs: source and driver.
        sources: pictures.
        drivers: pictures, for self pairs the truth.
        warped: by the mesh warp.
        trial: every exit.
        motion: how far source and driver are apart, (n,).
        source: heads in the sources.
        target: heads that are shown.
    """

    pairs: list[FramePair]
    sources: Tensor
    drivers: Tensor
    warped: Tensor
    trial: Trial
    motion: Values
    source: Head
    target: Head

    def some(self, rows: list[int]) -> "Shown":
        """Of some pairs only; what the trial measured is left as it is."""
        images = [pictures[rows] for pictures in self.trial.images]
        source, target = (
            each_tensor(head, itemgetter(rows)) for head in (self.source, self.target)
        )
        return Shown(
            [self.pairs[row] for row in rows],
            self.sources[rows],
            self.drivers[rows],
            self.warped[rows],
            replace(self.trial, images=images),
            self.motion[rows],
            source,
            target,
        )


@dataclass(frozen=True)
class Judges:
    """What pictures are judged with."""

    data: FaceFolder
    reader: FaceReader
    lpips: PerceptualDistance


class SelfScores:
    """Pictures of self pairs against the true frames."""

    def __init__(self, judges: Judges, shown: Shown) -> None:
        self.shown, self.reader, self.lpips = shown, judges.reader, judges.lpips
        frames = [pair.source for pair in shown.pairs]
        self.sources = judges.reader.stored(judges.data, frames)
        self.truth = judges.reader.stored(judges.data, [pair.driver for pair in shown.pairs])
        self.moved = most_motion(shown.motion)
        self.persons = [frame.person for frame in frames]
        self.gallery = Gallery(shown.trial.images, judges.reader)
        self.distances = self._to_truth(shown.trial.images)

    def figures(self) -> Figures:
        """Full depth beside the baselines."""
        full = self._full()
        of_warped, of_sources = self._to_truth([self.shown.warped, self.shown.sources])
        warped = self._combined(self.reader.looks(self.shown.warped), *of_warped)
        copied = self._combined(self.sources, *of_sources)
        return {
            "n": len(self.persons),
            "persons": len(set(self.persons)),
            "least_motion_of_top_quarter": float(self.shown.motion[self.moved].min()),
            "full_depth": self._both(full),
            "mesh_warp": self._both(warped),
            "copied_source": self._both(copied),
            "lpips_ratio_to_mesh_warp": self._ratios(full, warped),
            "lpips_ratio_to_copied_source": self._ratios(full, copied),
        }

    def at(self, exits: NDArray[np.int64]) -> Figures:
        """Figures of one exit (1 … K) for every pair."""
        rows = np.arange(len(exits))
        values = [np.stack(column)[exits - 1, rows] for column in zip(*self.distances, strict=True)]
        return self._both(self._combined(self.gallery.looks(exits), values[0], values[1]))

    def of(self, images: Tensor) -> Figures:
        """Figures of any pictures, one for each pair."""
        (distances,) = self._to_truth([images])
        return self._both(self._combined(self.reader.looks(images), *distances))

    def _full(self) -> Scores:
        last = np.full(len(self.persons), len(self.distances))
        return self._combined(self.gallery.looks(last), *self.distances[-1])

    def _combined(self, seen: Seen, lpips: Values, difference: Values) -> Scores:
        scores = score(seen, self.truth, self.sources)
        columns = {"lpips": lpips, "l1": difference, **landmark_errors(seen, self.truth)}
        return Scores(columns | scores.columns, scores.wanted, scores.seen)

    def _both(self, scores: Scores) -> Figures:
        return {"all": scores.figures(), "most_motion": scores.figures(self.moved)}

    def _ratios(self, scores: Scores, others: Scores) -> Figures:
        a, b, moved = scores.columns["lpips"], others.columns["lpips"], self.moved
        persons = [person for person, far in zip(self.persons, moved, strict=True) if far]
        return {
            "all": mean_ratio(a, b, self.persons),
            "most_motion": mean_ratio(a[moved], b[moved], persons),
        }

    @torch.no_grad()
    def _to_truth(self, sets: list[Tensor]) -> list[tuple[Values, Values]]:
        """LPIPS and L1 (of 0 … 1) to the true frames, (n,) each, of several sets of pictures."""
        parts: list[list[tuple[Tensor, Tensor]]] = [[] for _ in sets]
        for rows in slices(len(self.persons)):
            truth = signed(self.shown.drivers[rows])
            features = self.lpips.features(truth)
            for part, images in zip(parts, sets, strict=True):
                image = signed(images[rows])
                lpips = self.lpips.between(self.lpips.features(image), features)
                part.append((lpips, (image - truth).abs().mean((1, 2, 3)) / 2))
        columns = [[torch.cat(column) for column in zip(*part, strict=True)] for part in parts]
        return [(lpips.double().numpy(), l1.double().numpy()) for lpips, l1 in columns]


class CrossScores:
    """Pictures of cross pairs against the driver's motion and the source's identity."""

    def __init__(self, judges: Judges, shown: Shown) -> None:
        self.shown, self.reader = shown, judges.reader
        self.sources = judges.reader.stored(judges.data, [pair.source for pair in shown.pairs])
        self.drivers = judges.reader.stored(judges.data, [pair.driver for pair in shown.pairs])
        self.gallery = Gallery(shown.trial.images, judges.reader)

    def figures(self) -> Figures:
        """Full depth beside the baselines."""
        last = np.full(len(self.sources), len(self.shown.trial.images))
        return {
            "n": len(self.sources),
            "source_persons": len({pair.source.person for pair in self.shown.pairs}),
            "driver_persons": len({pair.driver.person for pair in self.shown.pairs}),
            "full_depth": self.at(last),
            "mesh_warp": self._figures(self.reader.looks(self.shown.warped)),
            "copied_source": self._figures(self.sources),
        }

    def at(self, exits: NDArray[np.int64]) -> Figures:
        """Figures of one exit (1 … K) for every pair."""
        return self._figures(self.gallery.looks(exits))

    def _figures(self, seen: Seen) -> Figures:
        return score(seen, self.drivers, self.sources).figures()


def slices(count: int) -> list[slice]:
    """Rows of batches."""
    return [slice(begin, begin + BATCH) for begin in range(0, count, BATCH)]
