"""Expression: 52 blendshape scores from landmarks, free of the head's pose."""

from functools import cache

import torch
import torch.nn.functional as F
from safetensors.torch import load
from torch import Tensor

from fiancee_hub.core.assets import read_asset
from fiancee_hub.core.precision import full_precision
from fiancee_hub.families.faces.landmarks.pose import LANDMARKS, Floats, Pose, canonicalise

BLENDSHAPES = (
    "_neutral",
    "browDownLeft",
    "browDownRight",
    "browInnerUp",
    "browOuterUpLeft",
    "browOuterUpRight",
    "cheekPuff",
    "cheekSquintLeft",
    "cheekSquintRight",
    "eyeBlinkLeft",
    "eyeBlinkRight",
    "eyeLookDownLeft",
    "eyeLookDownRight",
    "eyeLookInLeft",
    "eyeLookInRight",
    "eyeLookOutLeft",
    "eyeLookOutRight",
    "eyeLookUpLeft",
    "eyeLookUpRight",
    "eyeSquintLeft",
    "eyeSquintRight",
    "eyeWideLeft",
    "eyeWideRight",
    "jawForward",
    "jawLeft",
    "jawOpen",
    "jawRight",
    "mouthClose",
    "mouthDimpleLeft",
    "mouthDimpleRight",
    "mouthFrownLeft",
    "mouthFrownRight",
    "mouthFunnel",
    "mouthLeft",
    "mouthLowerDownLeft",
    "mouthLowerDownRight",
    "mouthPressLeft",
    "mouthPressRight",
    "mouthPucker",
    "mouthRight",
    "mouthRollLower",
    "mouthRollUpper",
    "mouthShrugLower",
    "mouthShrugUpper",
    "mouthSmileLeft",
    "mouthSmileRight",
    "mouthStretchLeft",
    "mouthStretchRight",
    "mouthUpperUpLeft",
    "mouthUpperUpRight",
    "noseSneerLeft",
    "noseSneerRight",
)
"""Names of the scores, in order; left and right are the person's own."""

LAYERS = ("layer1", "layer2", "layer3")


@torch.no_grad()
def expression(landmarks: Floats, pose: Pose) -> Floats:
    """Blendshape scores (52,), 0 to 1, of landmarks (478, 3) and the pose fitted to them.

    Reliable for smiling, blinking, gaze, brows and jaw; hardly for cheeks, nose and sideways
    movements of jaw and mouth.
    """
    face = torch.from_numpy(canonicalise(landmarks, pose))
    with full_precision(face):
        return expression_scores(face[None])[0].numpy()


def expression_scores(faces: Tensor) -> Tensor:
    """Scores (batch, 52) of canonical landmarks (batch, 478, 3). Differentiable."""
    weights, values = _weights(faces.device), faces.reshape(-1, LANDMARKS * 3)
    for layer in LAYERS:
        values = F.linear(values, weights[f"{layer}.weight"], weights[f"{layer}.bias"])
        values = values.sigmoid() if layer == LAYERS[-1] else F.gelu(values)
    return values


@cache
@torch.inference_mode(False)  # a caller's mode must not stick to what is kept
def _weights(device: torch.device) -> dict[str, Tensor]:
    tensors = load(read_asset("faces/expression.safetensors"))
    return {name: value.to(device, torch.float32) for name, value in tensors.items()}
