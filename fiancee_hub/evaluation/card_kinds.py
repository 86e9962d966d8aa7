"""What the model cards of the families say differently."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fiancee_hub.families.faces.judging import tables as face_tables
from fiancee_hub.measuring import tables

Figures = dict[str, Any]


@dataclass(frozen=True)
class CardKind:
    """One family's card.

    Args:
        name: of the text, the README's markers and the checkpoint's folder.
        tags: of the Hub.
        dataset: type and name of what the figures were measured on.
        sheets: file name and caption of each picture.
        results: kind, name and value of the model index's figures beside those of routing.
        sections: texts and tables that follow the exits'.
        measured_on: how the README begins.
        readme: tables of the README beside those of routing.
    """

    name: str
    tags: tuple[str, ...]
    dataset: tuple[str, str]
    sheets: tuple[tuple[str, str], ...]
    results: Callable[[Figures], list[tuple[str, str, float]]]
    sections: Callable[[Figures], list[str]]
    measured_on: str
    readme: Callable[[Figures], list[str]]


SHEET, MORE = "contact_sheet.jpg", "more_maps.jpg"
OWN_SHEET, CROSS_SHEET = "self_reenactment.jpg", "cross_reenactment.jpg"

PHOTOGRAPHS = """\
**Against real photographs.** mIoU is that of a segmentation net trained on real photographs only \
(11 classes, lane markings counted as road). Neither judge is foreign to the training: KID's \
features are those of LPIPS, which is one of its losses, and the segmentation net began from the \
same ImageNet weights as the discriminator."""

OTHER_MAPS = "**Other kinds of maps.** Towns (LabelMeFacade, validation) and fresh drawings."

SELF = """\
**Self-reenactment.** Source and driver are two frames of one person in one crop and light, so \
there is a true picture: {n} pairs of {persons} persons whom no training phase saw, equally many \
of each. LPIPS and L1 (of 0 … 1) to the true frame, over the whole picture; landmark errors in \
pixels of 256, of the landmarker's points in the output against those in the true frame. "Most \
motion" is the quarter of the pairs with the largest change of pose and expression. *Mesh warp* \
needs no network: a thin-plate spline through the same landmarks ("{warp}"), the best of \
{variants} variants on the validation persons. {ratios} The last rows are driven by blendshapes, \
as another person's driver would be: the truth's exact shape is then unknown to the model."""

CROSS = """\
**Cross-reenactment.** Any test person's picture with a filmed frame of another test person as \
the driver, absolute driving: {n} pairs, {sources} source and {drivers} driver persons. Identity \
is the cosine of a face embedding that training never used. Pose error: angle between the \
output's head rotation and the driver's, by the landmarker that also drives the model; yaw, pitch \
and roll are mean absolute differences. Expression: correlation with the driver's blendshape \
scores over the pairs, averaged over the blendshapes that the drivers vary; the scores come from \
the same landmarks, so they say that the output obeys, not how well a person would read it. \
Outputs in which the landmarker finds no face are counted and left out."""

LEVELS = """\
For comparison, the same cosine between real pictures of the test persons: {same_group} within \
one clip, {same_person} between different clips or photographs of one person, {strangers} between \
different persons (99th percentile {p99})."""

SOURCE = """\
**Reading the source.** All figures above are those of a frame whose source has been read before, \
as in a clip. Reading it costs {macs} MACs more ({ratio} of a frame at full depth); for a frame \
whose source is read for it alone this counts in both cost and full depth:"""

EACH_KIND = "**Each kind of pairs by itself.**"


def _streets_results(figures: Figures) -> list[tuple[str, str, float]]:
    quality = figures["full_depth_quality"]
    return [
        ("lpips", "LPIPS of full depth to the photograph", quality["lpips_to_photo"]),
        ("kid", "KID of full depth on AlexNet features", quality["kid"]),
        ("miou", "mIoU of full depth", quality["miou"]),
    ]


def _streets_sections(figures: Figures) -> list[str]:
    return [PHOTOGRAPHS, tables.quality(figures), OTHER_MAPS, tables.other_inputs(figures)]


def _faces_results(figures: Figures) -> list[tuple[str, str, float]]:
    quality = figures["full_depth_quality"]
    own, cross = quality["self"], quality["cross"]["full_depth"]
    ratios = own["lpips_ratio_to_mesh_warp"]
    measured = [
        ("lpips", "Self-reenactment, LPIPS to the true frame", own["full_depth"]["all"]["lpips"]),
        ("lpips", "Self-reenactment, LPIPS relative to a mesh warp", ratios["all"]["ratio"]),
        ("cosine", "Cross-reenactment, identity", cross["identity"]),
        ("degrees", "Cross-reenactment, pose error", cross["pose_error"]),
        ("pearson", "Cross-reenactment, expression", cross["expression_correlation"]),
    ]
    return [(kind, name, value) for kind, name, value in measured if value is not None]


def _faces_sections(figures: Figures) -> list[str]:
    quality = figures["full_depth_quality"]
    own, cross, levels = quality["self"], quality["cross"], quality["identity_levels"]
    choice = quality["mesh_warp_choice"]
    source = figures["source"]
    return [
        SELF.format(
            n=own["n"],
            persons=own["persons"],
            warp=min(choice, key=lambda name: choice[name]),
            variants=len(choice),
            ratios=face_tables.ratios(own),
        ),
        face_tables.own(figures),
        CROSS.format(
            n=cross["n"], sources=cross["source_persons"], drivers=cross["driver_persons"]
        ),
        face_tables.cross(figures),
        LEVELS.format(
            same_group=face_tables.number(levels["same_group"]),
            same_person=face_tables.number(levels["same_person_other_group"]),
            strangers=face_tables.number(levels["different_persons"]),
            p99=face_tables.number(levels["different_persons_p99"]),
        ),
        SOURCE.format(
            macs=f"{source['macs'] / 1e9:.2f} G", ratio=tables.percent(source["macs_ratio"])
        ),
        face_tables.source(figures),
        EACH_KIND,
        tables.other_inputs(figures, "pairs"),
    ]


STREETS = CardKind(
    name="streets",
    tags=("semantic-image-synthesis", "oasis"),
    dataset=("camvid", "CamVid Seq05VD (unseen drive)"),
    sheets=(
        (SHEET, "Map, exits, full depth, photograph"),
        (MORE, "Ten maps, evenly spread over the drive, with every exit"),
    ),
    results=_streets_results,
    sections=_streets_sections,
    measured_on="the {n} maps of a drive that nothing was trained or chosen on",
    readme=lambda figures: [tables.quality(figures)],
)

FACES = CardKind(
    name="faces",
    tags=("face-reenactment", "portraits"),
    dataset=("faces", "frames of persons whom training did not see"),
    sheets=(
        (OWN_SHEET, "Neutral source, the same person smiling, mesh warp, exits, full depth"),
        (CROSS_SHEET, "Source, driver (a picture or sliders), exits, full depth"),
    ),
    results=_faces_results,
    sections=_faces_sections,
    measured_on="{n} pairs of persons whom no training phase saw",
    readme=lambda figures: [face_tables.own(figures), face_tables.cross(figures)],
)

KINDS = {"label_maps": STREETS, "faces": FACES}
"""By the checkpoint's family."""
