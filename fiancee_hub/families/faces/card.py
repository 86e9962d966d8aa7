"""What the cards of face checkpoints say."""

from typing import Any

from fiancee_hub.families.faces.judging import tables as face_tables
from fiancee_hub.families.faces.judging.tables import CROSS_SHEET, HARD_SHEET, OWN_SHEET
from fiancee_hub.hub.card import CardParts
from fiancee_hub.measuring import tables

Figures = dict[str, Any]


NOTICE = """\
**Only with faces of people who agreed.** Outputs are marked as generated in their metadata; leave \
the mark in, and say so where you show them."""

BACKGROUND = """\
Motion is read from landmarks, not from a learned code: a landmarker (BlazeFace and the face \
meshes of MediaPipe, Apache-2.0, as plain torch graphs) gives 478 points, a canonical face fitted \
to them gives the head's rotation, and a small network 52 blendshape scores. An encoder reads the \
source once into a volume and finer features; the volume turns with the head in depth, the finer \
features follow a flow of landmarks that a small network corrects. The stages of the 2D generator \
are the trunk that the branches leave. *Absolute* driving gives the source the driver's rotation \
and blendshapes; *relative* driving adds the driver's change against a reference picture."""

CREDITS = """\
Persons shown: Face Research Lab London Set, DeBruine and Jones (2017), \
[doi 10.6084/m9.figshare.5047666.v5](https://doi.org/10.6084/m9.figshare.5047666.v5), \
[CC BY 4.0](https://creativecommons.org/licenses/by/4.0/), cropped and resized; "all individuals \
gave signed consent for their images to be 'used in lab-based and web-based studies in their \
original or altered forms and to illustrate research'". Everything beyond the columns "source" and \
"driver" is generated: they never made those movements. They are in the test split, no phase has \
seen them. Clips are of further test persons, of whom lines through their landmarks are shown and \
nothing else."""

CALL = """\
source = pipe.encode("me.jpg")  # read once, for many drivers
result = pipe(source=source, driver="you.jpg", budget=0.1)
result = pipe(source=source, driver=Controls(yaw=15, smile=1), budget=0.1)  # no driver's picture"""

GAZE = """\
**Gaze, cheeks, tongue.** The expression is what landmarks tell: lids, irises, brows, lips and \
jaw. Anything else does not come across. Figures on expression and pose come from the landmarker \
that also drives the model."""

SELF = """\
**Self-reenactment.** Source and driver are two frames of one person in one crop and light, so \
there is a true picture: {n} pairs of {persons} persons whom no training phase saw, equally many \
of each. LPIPS and L1 (of 0 … 1) to the true frame, over the whole picture; landmark errors in \
pixels of 256, of the landmarker's points in the output against those in the true frame. "Most \
motion" is the quarter of the pairs with the largest change of pose and expression. *Mesh warp* \
needs no network: a thin-plate spline through the same landmarks ("{warp}"), the best of \
{variants} variants on the validation persons. {ratios} The last rows are driven by blendshapes, \
as another person's driver would be: the truth's exact shape is then unknown to the model."""

HARD = """\
**Where no warp can be right.** LPIPS inside the box of the true mouth ({mouth_n} self pairs of \
{mouth_persons} persons between which the gap between the lips changes by more than a third of \
the mouth's width; the box at 128 pixels), and LPIPS of what comes into view: cells that the \
source's own face hides by its mesh's depth, or that the landmarks' flow fills from less than \
half their area or from a fold, by its Jacobian ({revealed_n} self pairs of {revealed_persons} \
persons, {share} of the picture on average). In brackets 95 % intervals, bootstrap over persons."""

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

BY_CONTROLS = """\
*controls* are test persons moved by what sliders set, each left alone half of the time: angles \
from a normal distribution a third of their range wide, parts of the expression evenly."""


def _results(figures: Figures) -> list[tuple[str, str, float]]:
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


def _sections(figures: Figures) -> list[str]:
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
        *_hard_places(figures),
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
        _each_kind(figures),
        tables.other_inputs(figures, "pairs"),
    ]


def _each_kind(figures: Figures) -> str:
    kinds = {other["split"] for other in figures["other_inputs"]}
    return f"{EACH_KIND} {BY_CONTROLS}" if "controls" in kinds else EACH_KIND


def _hard_places(figures: Figures) -> list[str]:
    shown = face_tables.hard_places(figures)
    if not shown:
        return []
    mouth, revealed = (figures["hard_places"][name] for name in ("mouth", "revealed"))
    text = HARD.format(
        mouth_n=mouth["n"],
        mouth_persons=mouth["persons"],
        revealed_n=revealed["n"],
        revealed_persons=revealed["persons"],
        share=tables.percent(revealed["mean_share"] or 0),
    )
    return [text, shown]


CARD = CardParts(
    title="the source person with another's pose and expression",
    summary="A source face and a driver go in, the source person with the driver's head pose and "
    "expression comes out.",
    call=CALL,
    uses="Controls, FianceePipeline",
    paper="MegaPortraits (Drobyshev et al., MM 2022)",
    tags=("face-reenactment", "portraits"),
    inputs="pairs",
    notice=NOTICE,
    background=BACKGROUND,
    limits=lambda _: [GAZE],
    terms=(
        ("landmarker", "Apache-2.0 (Google, MediaPipe)"),
        ("judge of identity", "CC0 (dlib), used in the evaluation only"),
    ),
    pictures=(
        (OWN_SHEET, "Neutral source, the same person smiling, mesh warp, exits, full depth"),
        (CROSS_SHEET, "Source, driver (a picture or sliders), exits, full depth"),
        (HARD_SHEET, "Full depth: opened mouths, closed eyes, turned heads, by sliders and clips"),
    ),
    credits=CREDITS,
    results=_results,
    sections=_sections,
    readme=lambda figures: [
        face_tables.own(figures),
        *filter(None, [face_tables.hard_places(figures)]),
        face_tables.cross(figures),
    ],
)
