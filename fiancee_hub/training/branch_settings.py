"""How branches are trained."""

from dataclasses import dataclass


@dataclass(frozen=True)
class BranchSettings:
    """Weights of the losses and rates of the optimizers."""

    reconstruction: float = 0.5
    rate: float = 1e-3
    gate_rate: float = 0.1
    """Relative to ``rate``. In wide branches the noise of the first steps would shut every gate;
    through a shut gate hardly any gradient comes back."""
    final_rate: float = 0.05
    discriminator_rate: float = 1e-4
    adversarial_share: float = 1.0
    """Size of the adversarial gradient at the pixels relative to the perceptual one."""
    adversarial_branches: int = 1
    """Branches of a step that get it, drawn anew at each; 0 means all."""
    feature_matching: float = 0.0
    """Size of the gradient that pulls the discriminator's features of a branch's picture towards
    those of full depth's, relative to the perceptual one; on the same branches."""
    unguided: float = 0.1
    """Share of steps without a guide."""
    frozen_statistics: float = 0.4
    """Share of the time, at the end, in which normalisation uses its running statistics: what
    the branch learns there is exactly what inference runs."""
    windowed: float = 0.0
    """Share of the steps that see only parts of the pictures, where a family knows which matter."""
    batch_size: int = 4
    workers: int = 0
    """Processes that draw inputs; 0 draws in the training process."""
    low_memory: bool = False
    """Whether branches learn one after another within a step, and full depth paints its pictures
    one by one: the same gradients, with less in memory at a time."""
