"""The example maps with several seeds, to look for pairs of pictures among them."""

from fiancee_hub.families.label_maps.pipeline import StreetsPipeline
from space.label_maps import maps
from space.page import links
from space.page.tabs import Sample

SEEDS = 4
"""Of each example map."""


def samples(pipe: StreetsPipeline, seeds: int = SEEDS) -> list[list[Sample]]:
    """Each list holds one map with several seeds."""
    examples = maps.examples_of(pipe)
    names = links.slugs(example.title for example in examples)
    return [
        [
            Sample(
                pipe.prepare(example.path, seed=seed),
                _seeded(example.title, seed),
                {"example": name, "seed": str(seed)},
            )
            for seed in range(seeds)
        ]
        for example, name in zip(examples, names, strict=True)
    ]


def _seeded(title: str, seed: int) -> str:
    return f"{title}, seed {seed}" if seed else title
