"""The example faces in several poses, to look for pairs of pictures among them."""

from fiancee_hub.families.faces.controls import Controls
from fiancee_hub.families.faces.pipeline import FacesPipeline
from space.faces.examples import examples
from space.page.tabs import Sample

POSES = {
    "at rest": Controls(relative=True),
    **{f"turned {yaw}°": Controls(yaw=yaw, relative=True) for yaw in (-25, -15, -8, 8, 15, 25)},
    "looking down": Controls(pitch=12, relative=True),
    "smiling": Controls(smile=1, relative=True),
    "mouth open": Controls(mouth=1, relative=True),
    "eyes closed": Controls(blink=1, relative=True),
}


def samples(pipe: FacesPipeline) -> list[list[Sample]]:
    """Each list holds one photograph in several poses."""
    found = []
    for example in examples():
        source = pipe.encode(example.path)
        found.append(
            [
                Sample(pipe.prepare(source=source, driver=pose), f"{example.title}, {words}")
                for words, pose in POSES.items()
            ]
        )
    return found
