"""Figures that show whether a checkpoint's promise holds."""

from typing import Any

from fiancee_hub.core.router import BUDGETS, Calibration
from fiancee_hub.measuring.routing import reliability
from fiancee_hub.measuring.validity import Drawn, pooled, validity


def promise_figures(
    calibration: Calibration, calibrated: Drawn, others: list[Drawn]
) -> dict[str, Any]:
    """``reliability`` of the predicted spread, and ``validity`` over many splits.

    Older calibrations say not where their sequences of margins began, so theirs cannot be
    repeated; they get no ``validity``.

    Args:
        calibration: of the checkpoint.
        calibrated: the inputs that it was made from, measured again.
        others: inputs that neither training nor calibration has seen.
    """
    figures: dict[str, Any] = {"reliability": reliability(calibrated.found)}
    if calibration.openings and calibration.budgets == BUDGETS:
        figures["validity"] = validity(
            pooled([calibrated, *others]),
            calibration.openings,
            level=calibration.level,
            confidence=calibration.confidence,
        )
    return figures
