"""The example faces in several poses, to look for pairs of pictures among them."""

from fiancee_hub.families.faces.controls import CONTROLS, Controls
from fiancee_hub.families.faces.pipeline import FacesPipeline
from space.faces.examples import examples
from space.page import links
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
    names = links.slugs(example.title for example in examples())
    for example, name in zip(examples(), names, strict=True):
        source = pipe.encode(example.path)
        found.append(
            [
                Sample(
                    pipe.prepare(source=source, driver=pose),
                    f"{example.title}, {words}",
                    {"example": name, **_moved(pose)},
                )
                for words, pose in POSES.items()
            ]
        )
    return found


def _moved(pose: Controls) -> dict[str, str]:
    """Controls that are not at rest."""
    values = {control.name: getattr(pose, control.name) for control in CONTROLS}
    return {name: f"{value:g}" for name, value in values.items() if value}
