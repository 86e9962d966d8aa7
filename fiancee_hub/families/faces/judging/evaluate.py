"""Every figure of a faces checkpoint, on persons that training did not see.

Pairs of two frames of one person have a true picture: *self*. A source with another person's
driver has none: *cross*. Baselines are the source copied as it is, and a mesh warp of it.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from fiancee_hub.core.nested import each_tensor
from fiancee_hub.core.perceptual import PerceptualDistance
from fiancee_hub.core.pixels import as_bytes
from fiancee_hub.core.recipe import Recipe
from fiancee_hub.evaluation.evaluate import (
    Figures,
    Subject,
    exit_times,
    identity,
    routing_figures,
)
from fiancee_hub.evaluation.promise import promise_figures
from fiancee_hub.families.faces.config import PortraitConfig
from fiancee_hub.families.faces.generator import PortraitGenerator
from fiancee_hub.families.faces.judging.hard_places import mouth_figures, revealed_figures
from fiancee_hub.families.faces.judging.identity_judge import load_judge
from fiancee_hub.families.faces.judging.looks import FaceReader
from fiancee_hub.families.faces.judging.mesh_warp import VARIANTS, MeshWarp
from fiancee_hub.families.faces.judging.pairs import (
    FramePair,
    cross_pairs,
    mouth_pairs,
    moved_frames,
    self_pairs,
    spread,
)
from fiancee_hub.families.faces.judging.quality import (
    BATCH,
    CrossScores,
    Judges,
    SelfScores,
    Shown,
    slices,
)
from fiancee_hub.families.faces.judging.scores import Values, identity_levels
from fiancee_hub.families.faces.training.pairs import (
    FaceFolder,
    Frame,
    Pair,
    PairSource,
    collate,
    motion_distance,
)
from fiancee_hub.families.faces.training.task import FacesTask
from fiancee_hub.measuring.measure import Measurement, joined, measure, try_exits
from fiancee_hub.measuring.routing import BUDGETS, budget_table, routed_exits
from fiancee_hub.measuring.validity import Drawn

PAIRS = 220
"""Of each kind, about: 20 for each of 11 filmed persons."""

MOUTH_PAIRS = 12
"""Whose mouths open or shut, at most, of each person."""

CHOICE_PAIRS = 60
"""Of the validation persons, to choose the mesh warp on."""

LEVEL_FRAMES = 4
"""Of each group, for the judge's levels on real pictures."""


@dataclass(frozen=True, eq=False)
class EvaluatedFaces:
    """What was found, and the pictures behind it."""

    figures: Figures
    own: Shown
    cross: Shown
    warp: MeshWarp


class FaceEvaluation:
    """One run over one checkpoint.

    Args:
        subject: the checkpoint.
        data: prepared data with the splits ``val`` and ``test``.
        judge: folder of the judge of identity.
        seed: of the pairs.
    """

    def __init__(self, subject: Subject, data: FaceFolder, judge: Path, seed: int) -> None:
        self.subject, self.data, self.seed = subject, data, seed
        self.side = subject.config.generator.height
        self.judges = Judges(data, FaceReader(load_judge(judge)), PerceptualDistance())
        self.basis = subject.model.trunk_as(PortraitGenerator).expression_basis.numpy()

    def run(self) -> EvaluatedFaces:
        source = self.pair_source("test")
        own_pairs = self_pairs(self.data, "test", PAIRS, self.seed)
        cross_ones = cross_pairs(self.data, "test", PAIRS, self.seed)
        own = self.show(own_pairs, [source.make(p.source, p.driver) for p in own_pairs])
        cross = self.show(cross_ones, [source.cross(p.source, p.driver) for p in cross_ones])
        loose = self._by_blendshapes(source, own_pairs)
        example = self._inputs([source.make(own_pairs[0].source, own_pairs[0].driver)])
        found = joined([own.trial.found, cross.trial.found])
        unguided = joined([own.trial.unguided, cross.trial.unguided])
        figures = {
            **identity(self.subject, "test", len(found.true), self.seed),
            **routing_figures(self.subject, found, unguided, self._encoded(example)),
            "source": self._source_read_anew(found, example),
            **self._quality(own, cross, loose),
            "hard_places": self.hard_places(own, self.opening(source)),
            **self._each_kind(own, cross, self.by_controls(source)),
        }
        return EvaluatedFaces(figures, own, cross, self.warp)

    def hard_places(self, own: Shown, opening: Shown | None) -> Figures:
        """Figures of the places that no warp can get right.

        Args:
            own: self pairs.
            opening: self pairs whose mouths open or shut; None where there are none.
        """
        lpips = self.judges.lpips
        mouth = {"n": 0, "persons": 0} if opening is None else mouth_figures(lpips, opening)
        return {"mouth": mouth, "revealed": revealed_figures(lpips, own)}

    def opening(self, source: PairSource) -> Shown | None:
        """Self pairs whose mouths open or shut."""
        pairs = mouth_pairs(self.data, "test", MOUTH_PAIRS, self.seed)
        if not pairs:
            return None
        return self.show(pairs, [source.make(p.source, p.driver) for p in pairs])

    def pair_source(self, split: str) -> PairSource:
        # The checkpoint's own basis, not one fitted to this data.
        return PairSource(self.data, split, self.basis)

    def show(self, pairs: list[FramePair], made: list[Pair]) -> Shown:
        """Tries every exit and the mesh warp on pairs."""
        batch = collate(made, self.side)
        inputs = batch["inputs"]
        trial = try_exits(self.subject.model, inputs, self.judges.lpips, batch_size=BATCH)
        sources, drivers = as_bytes(inputs[0]), as_bytes(batch["truth"])
        warped, motion = self._warped(inputs), self._motion(pairs)
        return Shown(pairs, sources, drivers, warped, trial, motion, *inputs[1:])

    def _motion(self, pairs: list[FramePair]) -> Values:
        motions = self.data.motions
        return np.array(
            [motion_distance(motions[p.source.index], motions[p.driver.index]) for p in pairs]
        )

    def _inputs(self, made: list[Pair]) -> tuple[Any, ...]:
        inputs: tuple[Any, ...] = collate(made, self.side)["inputs"]
        return inputs

    def _warped(self, inputs: tuple[Any, ...]) -> Tensor:
        parts = []
        for rows in slices(len(inputs[0])):
            parts.append(as_bytes(self.warp(*each_tensor(inputs, itemgetter(rows)))))
        return torch.cat(parts)

    @cached_property
    def warp(self) -> MeshWarp:
        """The mesh warp with the lowest LPIPS on the validation persons."""
        return VARIANTS[min(self.warp_choice, key=lambda name: self.warp_choice[name])]

    @cached_property
    def warp_choice(self) -> dict[str, float]:
        """Mean LPIPS to the true frame of every variant on the validation persons."""
        source = self.pair_source("val")
        pairs = self_pairs(self.data, "val", CHOICE_PAIRS, self.seed)
        sums = dict.fromkeys(VARIANTS, 0.0)
        for rows in slices(len(pairs)):
            batch = collate([source.make(p.source, p.driver) for p in pairs[rows]], self.side)
            truth = self.judges.lpips.features(batch["truth"])
            for name, warp in VARIANTS.items():
                warped = self.judges.lpips.features(warp(*batch["inputs"]))
                sums[name] += float(self.judges.lpips.between(warped, truth).sum())
        return {name: total / len(pairs) for name, total in sums.items()}

    @torch.no_grad()
    def _by_blendshapes(self, source: PairSource, pairs: list[FramePair]) -> tuple[Tensor, Tensor]:
        """Full depth and mesh warp of self pairs driven as by another person."""
        model = self.subject.model
        full, warped = [], []
        for rows in tqdm(slices(len(pairs)), desc="by blendshapes"):
            inputs = self._inputs(
                [source.make(p.source, p.driver, by_blendshapes=True) for p in pairs[rows]]
            )
            full.append(as_bytes(model(*inputs, exit_index=model.exits)))
            warped.append(as_bytes(self.warp(*inputs)))
        return torch.cat(full), torch.cat(warped)

    @torch.no_grad()
    def _encoded(self, example: tuple[Any, ...]) -> tuple[Any, ...]:
        """With the source already read, as for every frame but a clip's first."""
        picture, source, target = example
        return (
            self.subject.model.trunk_as(PortraitGenerator).encode(picture, source),
            source,
            target,
        )

    def _source_read_anew(self, found: Measurement, example: tuple[Any, ...]) -> Figures:
        """Cost and time of a frame whose source is read for it alone."""
        costs = self.subject.config.costs
        anew = replace(costs, exits=tuple(macs + costs.encoder for macs in costs.exits))
        times = exit_times(self.subject, example, "source")
        ratios = enumerate(times.ratios[:-1])
        budgets = budget_table(found, anew, self.subject.config.calibration)
        return {
            "macs": costs.encoder,
            "macs_ratio": costs.encoder / costs.full_depth,
            "full_depth": {"macs": anew.full_depth, **times.full_depth},
            "exits": [
                {"exit": i + 1, "macs_ratio": anew.exits[i] / anew.full_depth, **ratio}
                for i, ratio in ratios
            ],
            "budgets": [
                {key: row[key] for key in ("budget", "mean_macs_ratio")} for row in budgets
            ],
        }

    def by_controls(self, source: PairSource) -> Drawn:
        """What the exits make of sources moved by controls."""
        pairs = _moved(source, self.data, self.seed)
        model, lpips = self.subject.model, self.judges.lpips
        found = measure(model, self._inputs(pairs), lpips, batch_size=BATCH)
        return Drawn(found, ["controls"] * len(pairs), [pair.person for pair in pairs])

    def _each_kind(self, own: Shown, cross: Shown, controls: Drawn) -> Figures:
        """The router on each kind of inputs, and whether its promise holds."""
        drawn = {
            kind: Drawn(
                shown.trial.found,
                [kind] * len(shown.pairs),
                [pair.source.person for pair in shown.pairs],
            )
            for kind, shown in (("self", own), ("cross", cross))
        } | {"controls": controls}
        config = self.subject.config
        return {
            "other_inputs": [
                {
                    "split": kind,
                    "n": len(one.units),
                    "budgets": budget_table(one.found, config.costs, config.calibration),
                }
                for kind, one in drawn.items()
            ],
            **self._promise(list(drawn.values())),
        }

    def _promise(self, others: list[Drawn]) -> Figures:
        """Whether the promise holds; inputs count by the person in the source picture."""
        config = self.subject.config
        assert isinstance(config.generator, PortraitConfig)
        task = FacesTask(self.data, Recipe(config.generator, config.exits, config.guides))
        inputs, groups, units = task.calibration_inputs()
        measured = measure(self.subject.model, inputs, self.judges.lpips, batch_size=BATCH)
        calibrated = Drawn(measured, groups, units)
        return promise_figures(self.subject.calibration, calibrated, others)

    def _quality(self, own: Shown, cross: Shown, loose: tuple[Tensor, Tensor]) -> Figures:
        """Figures against the truth, the driver and the source, of full depth and of what exits
        and budgets deliver."""
        of_self = SelfScores(self.judges, own)
        of_cross = CrossScores(self.judges, cross)
        calibration = self.subject.config.calibration
        branches = range(1, self.subject.model.exits)
        delivered = []
        for budget in BUDGETS:
            own_exits = routed_exits(own.trial.found, calibration, budget)
            cross_exits = routed_exits(cross.trial.found, calibration, budget)
            row = {"self": of_self.at(own_exits), "cross": of_cross.at(cross_exits)}
            delivered.append({"budget": budget} | row)
        return {
            "full_depth_quality": {
                "self": of_self.figures(),
                "self_by_blendshapes": {
                    "full_depth": of_self.of(loose[0]),
                    "mesh_warp": of_self.of(loose[1]),
                },
                "cross": of_cross.figures(),
                "identity_levels": self._levels(),
                "mesh_warp_choice": self.warp_choice,
            },
            "exit_quality": [
                {"exit": index, "self": of_self.at(np.full(len(own.pairs), index))}
                for index in branches
            ],
            "delivered_quality": delivered,
        }

    def _levels(self) -> Figures:
        """The judge on real pictures of the test persons."""
        groups: dict[str, list[Frame]] = {}
        for frame in self.data.split("test"):
            groups.setdefault(frame.group, []).append(frame)
        frames = [frame for members in groups.values() for frame in spread(members, LEVEL_FRAMES)]
        looks = self.judges.reader.stored(self.data, frames)
        return identity_levels(looks, [(frame.person, frame.group) for frame in frames])


def held_out_pairs(source: PairSource, data: FaceFolder, seed: int) -> dict[str, list[Pair]]:
    """The pairs that routing is judged on, by kind."""
    own, cross = (make(data, "test", PAIRS, seed) for make in (self_pairs, cross_pairs))
    return {
        "self": [source.make(pair.source, pair.driver) for pair in own],
        "cross": [source.cross(pair.source, pair.driver) for pair in cross],
        "controls": _moved(source, data, seed),
    }


def _moved(source: PairSource, data: FaceFolder, seed: int) -> list[Pair]:
    """Test persons moved by controls."""
    return [
        source.moved(frame, controls) for frame, controls in moved_frames(data, "test", PAIRS, seed)
    ]


def evaluate_faces(
    folder: Path, data: FaceFolder, judge: Path, *, seed: int = 0, keep_times: bool = False
) -> EvaluatedFaces:
    """Measures a faces checkpoint on the persons of the split ``test``.

    Args:
        folder: the checkpoint.
        data: prepared data with the splits ``val`` and ``test``.
        judge: folder of the judge of identity.
        seed: of the pairs.
        keep_times: take the times over from an earlier evaluation.

    Raises:
        CheckpointError, DataError: naming what is missing.
    """
    subject = Subject.load(folder, "faces", keep_times=keep_times)
    return FaceEvaluation(subject, data, judge, seed).run()
