"""The baseline without a network: the source picture warped by landmarks alone.

A thin-plate spline carries the mesh's control points from the source's head to the target's.
What the landmarks do not know, hair and background, can be handled in several honest ways; the
one with the lowest LPIPS on the validation persons is the baseline.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from fiancee_hub.families.faces.heads import CONTROL_POINTS, FLOW_SIDE, Head, border_points
from fiancee_hub.families.faces.landmarks.outlines import OVAL
from fiancee_hub.families.faces.warps import pixel_centres, sample, thin_plate_flow


@dataclass(frozen=True)
class MeshWarp:
    """One way to warp.

    Args:
        crown: the outline of the head above the ears moves with the skull.
        halo: the face's oval, enlarged by these factors about its middle, moves with the face.
        border: points along the picture's border stay where they are.
        soft: outside the target's head the source shows unmoved, over a soft edge of so many
            cells of the flow (odd); 0: the whole picture is warped.
    """

    crown: bool = False
    halo: tuple[float, ...] = ()
    border: bool = False
    soft: int = 0

    @torch.no_grad()
    def __call__(self, picture: Tensor, source: Head, target: Head) -> Tensor:
        """The picture (batch, 3, size, size) in [-1, 1], warped."""
        flow = self.flow(source, target)
        return sample(picture, flow)

    def flow(self, source: Head, target: Head) -> Tensor:
        """Where each point of the target comes from in the source, (batch, 2, side, side)."""
        centres = pixel_centres(FLOW_SIDE, source.points)
        flow = thin_plate_flow(self._controls(source), self._controls(target), centres, centres)
        return flow * self._share(target) if self.soft else flow

    def _controls(self, head: Head) -> Tensor:
        """Control points (batch, n, 2) in [-1, 1]."""
        points = head.points[..., :2]
        controls = [points[:, list(CONTROL_POINTS)]]
        if self.crown:
            controls.append(head.crown[..., :2])
        oval = points[:, list(OVAL)]
        middle = oval.mean(1, keepdim=True)
        controls += [middle + scale * (oval[:, ::2] - middle) for scale in self.halo]
        if self.border:
            controls.append(border_points(points))
        return torch.cat(controls, 1)

    def _share(self, target: Head) -> Tensor:
        """How much of the flow each point follows, (batch, 1, side, side)."""
        head = F.adaptive_avg_pool2d(target.map[:, :1].float() / 255, FLOW_SIDE)
        return F.avg_pool2d(head, self.soft, 1, self.soft // 2, count_include_pad=False)


VARIANTS = {
    "face, border fixed": MeshWarp(border=True),
    "face and crown, border fixed": MeshWarp(crown=True, border=True),
    "face with a halo, border fixed": MeshWarp(halo=(1.4,), border=True),
    "face and crown, rest unmoved": MeshWarp(crown=True, soft=15),
    "face, rest unmoved": MeshWarp(soft=15),
    "face, border fixed, rest unmoved": MeshWarp(border=True, soft=15),
}
"""Candidates for the baseline, by what moves and what does not."""
