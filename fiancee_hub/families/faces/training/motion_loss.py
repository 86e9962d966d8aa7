"""Motion loss: the run-time landmarker should see the wanted landmarks and expression.

The same networks give the motion in use; they are differentiable in the picture.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fiancee_hub.core.precision import full_precision
from fiancee_hub.families.faces.heads import LANDMARKS, Head
from fiancee_hub.families.faces.landmarks.expression import expression_scores
from fiancee_hub.families.faces.landmarks.graphs import ATTENTION_MESH, Graph
from fiancee_hub.families.faces.landmarks.landmarker import (
    EYE_POINTS,
    LID_POINTS,
    LIP_POINTS,
    MESH_SIZE,
)
from fiancee_hub.families.faces.landmarks.landmarker import attention_points as landmarks_of
from fiancee_hub.families.faces.landmarks.pose import MESH_POINTS, canonical_face
from fiancee_hub.families.faces.landmarks.regions import EYES, MARGIN
from fiancee_hub.families.faces.warps import identity_grid

ATTENTION = 4.0
"""Weight of lips and lids; 1 elsewhere."""

EXPRESSION = 0.2
"""Weight of the blendshapes' distance beside the landmarks'."""


class MotionLoss(nn.Module):
    """Distance of landmarks, in half sides of the landmarker's region, and of blendshapes."""

    weights: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.network = Graph(ATTENTION_MESH).requires_grad_(False)
        weights = torch.ones(LANDMARKS, 1)
        for points in (LIP_POINTS, *(eye[:LID_POINTS] for eye in EYE_POINTS)):
            weights[list(points)] = ATTENTION
        self.register_buffer("weights", weights / weights.mean(), persistent=False)

    def forward(self, images: Tensor, target: Head) -> Tensor:
        """Mean loss of images (batch, 3, h, w) in [-1, 1] that should show the heads."""
        with full_precision(images):
            turn, middle = _region(target.points)
            grid = identity_grid(MESH_SIZE, MESH_SIZE, images) @ turn[:, None] + middle[:, None]
            # The landmarker sees black outside the picture, in [0, 1].
            cut = F.grid_sample(images.float() / 2 + 0.5, grid, align_corners=False)
            cells = landmarks_of(self.network(cut)) * 2 / MESH_SIZE - cut.new_tensor([1, 1, 0])
            side = turn[:, 0].norm(dim=1).view(-1, 1, 1)
            plane = cells[..., :2] @ turn + middle
            seen = torch.cat([plane, cells[..., 2:] * side], 2)
            distance = (seen - target.points)[..., :2].abs() / side
            shown, wanted = (expression_scores(_canonical(p)) for p in (seen, target.points))
            return (self.weights * distance).mean() + EXPRESSION * F.l1_loss(shown, wanted)


def _region(points: Tensor) -> tuple[Tensor, Tensor]:
    """The region that the landmarker looks at: axes (batch, 2, 2), half a side long, as rows,
    and middle (batch, 1, 2)."""
    plane = points[:, :MESH_POINTS, :2]
    cos, sin = F.normalize(plane[:, EYES[1]] - plane[:, EYES[0]], dim=1).unbind(1)
    axes = torch.stack([cos, sin, -sin, cos], 1).view(-1, 2, 2)
    level = plane @ axes.mT
    low, high = level.amin(1), level.amax(1)
    side = MARGIN / 2 * (high - low).amax(1)
    return axes * side[:, None, None], ((low + high) / 2)[:, None] @ axes


def _canonical(points: Tensor) -> Tensor:
    """Points (batch, 478, 3) without pose, canonical units; the pose counts as given."""
    camera = points * points.new_tensor([1, -1, -1])
    turn, translation, scale = fit_poses(camera.detach()[:, :MESH_POINTS])
    return (camera - translation) @ turn / scale


def fit_poses(camera: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """What ``fit_pose`` finds, for a batch and where the batch is.

    Args:
        camera: mesh points (batch, 468, 3), camera axes.

    Returns:
        rotations (batch, 3, 3), translations (batch, 1, 3) and scales (batch, 1, 1).
    """
    face, weights = (
        torch.from_numpy(array.copy()).to(camera.device, torch.float64)
        for array in (canonical_face().vertices, canonical_face().weights)
    )
    weights = weights / weights.sum()
    face_mean = weights @ face
    camera_mean = weights @ camera.double()
    moved, face = camera.double() - camera_mean[:, None], face - face_mean
    left, singular, right = torch.linalg.svd((weights[:, None] * moved).mT @ face)
    signs = torch.ones_like(singular)
    signs[:, 2] = torch.linalg.det(left @ right).sign()
    turn = left * signs[:, None] @ right
    scale = (singular * signs).sum(1) / (weights @ face.square().sum(1))
    translation = camera_mean - scale[:, None] * (turn @ face_mean)
    return turn.to(camera), translation[:, None].to(camera), scale[:, None, None].to(camera)
