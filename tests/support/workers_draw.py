"""Batches drawn by workers, against those of the process itself: ``python workers_draw.py``.

A process of its own, because workers are forked: see ``workers_run.py``.
"""

import os

import torch

from fiancee_hub.training.loading import batches


def draw(random: torch.Generator) -> tuple[dict[str, torch.Tensor], int]:
    return {"numbers": torch.rand(3, generator=random)}, os.getpid()


def outlived(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def main() -> None:
    """Prints whether the numbers agree, how many workers drew, and how many outlived the end."""
    drawn = batches(draw, torch.Generator().manual_seed(0), workers=2)
    found = [next(drawn) for _ in range(6)]
    seed, agree = int(torch.randint(2**31, (), generator=torch.Generator().manual_seed(0))), True
    for worker in range(2):
        random = torch.Generator().manual_seed(seed + worker)
        for value, _ in found[worker::2]:
            agree &= torch.equal(value["numbers"], torch.rand(3, generator=random))
    workers = {process for _, process in found} - {os.getpid()}
    drawn.close()
    print(agree, len(workers), sum(map(outlived, workers)))


if __name__ == "__main__":
    main()
