"""Evaluation of the toy family: routing on fresh discs."""

import torch

from fiancee_hub.core.perceptual import PerceptualDistance
from fiancee_hub.evaluation.evaluate import Subject, identity, routing_figures
from fiancee_hub.evaluation.parts import (
    EvaluationParts,
    EvaluationRequest,
    Figures,
    HeldOut,
)
from fiancee_hub.measuring.measure import try_exits
from toy.task import vectors

COUNT = 8


def _held_out(request: EvaluationRequest) -> HeldOut:
    inputs = (vectors(COUNT, torch.Generator().manual_seed(request.seed)),)
    return HeldOut(inputs, ["disc"] * COUNT)


def _evaluate(request: EvaluationRequest) -> Figures:
    subject = Subject.load(request.checkpoint, "toy")
    inputs = _held_out(request).inputs
    trial = try_exits(subject.model, inputs, PerceptualDistance())
    return {
        **identity(subject, "test", COUNT, request.seed),
        **routing_figures(subject, trial.found, trial.unguided, (inputs[0][:1],)),
    }


PARTS = EvaluationParts(lambda parser: None, _evaluate, _held_out)
