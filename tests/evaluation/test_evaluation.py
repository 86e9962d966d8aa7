"""Figures of a checkpoint: routing, tables, model card, and the whole command once."""

import dataclasses
import functools
import hashlib
import importlib
import json
import math
import shutil
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from hub_client import ROOT
from huggingface_hub import ModelCard, ModelCardData
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from scipy.stats import beta
from street_data import write_streets

from fiancee_hub.cli.main import main
from fiancee_hub.core.cost import Costs, count
from fiancee_hub.core.errors import CheckpointError, DataError
from fiancee_hub.core.exits import EarlyExitModel
from fiancee_hub.core.router import BUDGETS as CALIBRATED
from fiancee_hub.core.router import Calibration, openings
from fiancee_hub.domains.streets.classes import STREETS
from fiancee_hub.domains.streets.data import STREETS_TABLE
from fiancee_hub.evaluation import evaluate
from fiancee_hub.evaluation.card import markers, write_card, write_into_readme
from fiancee_hub.evaluation.evaluate import Subject, exit_times, unguided_costs
from fiancee_hub.families.label_maps.generator import OasisGenerator
from fiancee_hub.families.label_maps.judging import evaluate as evaluate_label_maps
from fiancee_hub.families.label_maps.judging.evaluate import EvaluatedMaps, evaluate_maps
from fiancee_hub.families.label_maps.judging.segmenter import (
    Segmenter,
    SegmenterConfig,
    save_segmenter,
)
from fiancee_hub.families.label_maps.judging.sheets import draw_sheets, without
from fiancee_hub.families.label_maps.judging.tables import MORE, SHEET, quality, realism, static
from fiancee_hub.families.label_maps.training.photographs import DataFolder
from fiancee_hub.hub.card import PLOT, VALIDITY, model_card
from fiancee_hub.hub.checkpoints import build, load_checkpoint, save_checkpoint
from fiancee_hub.hub.config import CheckpointConfig, read_config, to_json
from fiancee_hub.measuring import tables
from fiancee_hub.measuring.figures import draw_plot
from fiancee_hub.measuring.measure import Measurement
from fiancee_hub.measuring.routing import (
    BUDGETS,
    budget_row,
    budget_table,
    exit_table,
    reliability,
)
from fiancee_hub.measuring.timing import exit_milliseconds, time_ratios
from fiancee_hub.measuring.validity import Drawn, validity
from fiancee_hub.measuring.validity_plot import draw_validity

Figures = dict[str, Any]

MARKERS = markers("streets")

COSTS = Costs((10, 40, 100), predictor=2, guides=1, parameters=7)
TRUE = np.array([[0.05, 0.02], [0.2, 0.08], [0.3, 0.2], [0.15, 0.05]])
MEAN = np.array([[0.04, 0.01], [0.08, 0.05], [0.2, 0.15], [0.2, 0.04]])
FOUND = Measurement(MEAN, np.full_like(MEAN, 0.01), TRUE)
FULL_DEPTH_ONLY = Calibration(0.75, 0.9, 100, (0.1,), (None,))


# Routing


def test_a_budget_row_counted_by_hand() -> None:
    row = budget_row(FOUND, COSTS, None, 0.1)
    assert row["exit_shares"] == [0.5, 0.25, 0.25]
    assert row["mean_macs_ratio"] == pytest.approx((12 + 12 + 102 + 42) / 400)
    assert row["coverage"] == 0.75
    assert row["oracle_macs_ratio"] == pytest.approx((10 + 40 + 100 + 40) / 400)
    assert (row["fixed_exit"], row["fixed_exit_coverage"]) == (2, 0.75)
    assert row["fixed_exit_macs_ratio"] == pytest.approx(0.4)
    assert (row["level"], row["fixed_exit_at_level"]) == (0.9, 3)
    assert (row["fixed_exit_at_level_macs_ratio"], row["fixed_exit_at_level_coverage"]) == (1, 1)


def test_the_coverage_interval_is_the_exact_one() -> None:
    low, high = budget_row(FOUND, COSTS, None, 0.1)["coverage_interval"]
    assert low == pytest.approx(beta.ppf(0.025, 3, 2))
    assert high == pytest.approx(beta.ppf(0.975, 4, 1))


def test_those_that_leave_early_are_counted_by_themselves() -> None:
    row = budget_row(FOUND, COSTS, None, 0.1)
    # Exits 1, 1, 3 and 2 deliver 0.05, 0.2, 0 and 0.05.
    assert row["early"] == 3
    assert row["early_coverage"] == pytest.approx(2 / 3)
    low, high = row["early_coverage_interval"]
    assert low == pytest.approx(beta.ppf(0.025, 2, 2))
    assert high == pytest.approx(beta.ppf(0.975, 3, 1))
    none = budget_row(FOUND, COSTS, FULL_DEPTH_ONLY, 0.1)
    assert (none["early"], none["early_coverage"], none["early_coverage_interval"]) == (
        0,
        None,
        None,
    )


def test_a_call_routed_to_full_depth_still_pays_for_the_predictor() -> None:
    row = budget_row(FOUND, COSTS, FULL_DEPTH_ONLY, 0.1)
    assert row["exit_shares"] == [0, 0, 1]
    assert row["mean_macs_ratio"] == pytest.approx(1.02)
    assert row["coverage"] == 1
    assert (row["fixed_exit"], row["fixed_exit_macs_ratio"]) == (3, 1)
    assert (row["level"], row["fixed_exit_at_level"]) == (0.75, 2)


def test_an_exit_table_counted_by_hand() -> None:
    first, second = exit_table(FOUND, COSTS)
    assert (first["exit"], second["exit"]) == (1, 2)
    assert (first["macs_ratio"], second["macs_ratio"]) == (0.1, 0.4)
    assert first["lpips_mean"] == pytest.approx(0.175)
    assert first["lpips_p90"] == pytest.approx(0.27)
    assert first["predictor_mae"] == pytest.approx((0.01 + 0.12 + 0.1 + 0.05) / 4)


def test_without_guides_nobody_looks_one_up() -> None:
    assert unguided_costs(COSTS) == Costs((9, 39, 100), predictor=2, guides=0, parameters=7)


distances = arrays(np.float64, (6, 3), elements=st.floats(0, 0.3))
costs = st.builds(
    lambda exits, predictor: Costs((*sorted(exits), 100), predictor, 1, 0),
    st.tuples(*(st.integers(1, 100),) * 3),
    st.integers(0, 20),
)


@settings(max_examples=50)
@given(distances, distances, distances, costs, st.floats(0, 0.3), st.floats(-2, 6))
def test_bounds_of_a_budget_row(
    mean: Any, spread: Any, true: Any, costs: Costs, budget: float, margin: float
) -> None:
    calibration = Calibration(0.9, 0.9, 100, (0.0,), (margin,))
    row = budget_row(Measurement(mean, spread, true), costs, calibration, budget)
    low, high = row["coverage_interval"]
    assert 0 <= low <= row["coverage"] <= high <= 1
    assert sum(row["exit_shares"]) == pytest.approx(1)
    assert row["fixed_exit_coverage"] >= row["coverage"]
    assert row["fixed_exit_at_level_coverage"] >= row["level"]
    assert row["oracle_macs_ratio"] <= row["fixed_exit_macs_ratio"] or row["coverage"] < 1
    if row["coverage"] == 1:
        assert row["oracle_macs_ratio"] <= row["mean_macs_ratio"] + 1e-9


@settings(max_examples=50)
@given(distances, costs, st.floats(0, 0.3))
def test_a_perfect_predictor_costs_the_oracle_and_the_look_at_the_input(
    true: Any, costs: Costs, budget: float
) -> None:
    row = budget_row(Measurement(true, true, true), costs, None, budget)
    assert row["coverage"] == 1
    overhead = costs.predictor / costs.full_depth
    assert row["mean_macs_ratio"] == pytest.approx(row["oracle_macs_ratio"] + overhead)


def test_reliability_compares_the_spread_with_what_was_needed() -> None:
    random = np.random.default_rng(0)
    mean, spread = np.full((5000, 2), 0.1), random.uniform(0.01, 0.05, (5000, 2))
    error = spread / 1.2816 * random.normal(size=spread.shape)
    error[:, 1] *= 2  # the second branch's spread claims half of what is true
    honest, bold = reliability(Measurement(mean, spread, mean + error))
    assert (honest["exit"], bold["exit"]) == (1, 2)
    assert [row["n"] for row in honest["bins"]] == [1000] * 5
    for row in honest["bins"]:
        assert row["share"] == pytest.approx(0.9, abs=0.03)
        assert row["needed"] == pytest.approx(row["spread"], rel=0.15)
    assert all(row["share"] < 0.8 for row in bold["bins"])
    widths = [row["spread"] for row in honest["bins"]]
    assert widths == sorted(widths)


# Time


def test_time_ratios_compare_within_a_round() -> None:
    assert time_ratios([[1, 2, 4], [2, 2, 8], [10, 40, 40]]) == [0.25, 0.5, 1]


def test_every_exit_is_timed_in_every_round(model: EarlyExitModel) -> None:
    before = torch.get_num_threads()
    rounds = exit_milliseconds(model, (tiny.maps(1), tiny.noise(1)), threads=1, rounds=2)
    assert [len(row) for row in rounds] == [model.exits] * 2
    assert all(value > 0 for row in rounds for value in row)
    assert torch.get_num_threads() == before


# Tables and card


@pytest.fixture
def figures() -> Figures:
    """Hand-made figures in the layout of evaluation.json."""
    quality = {"lpips_to_photo": 0.31, "kid": 0.0625, "kid_std": 0.0075, "miou": 0.42}
    exits = exit_table(FOUND, COSTS)
    for row, time in zip(exits, (0.2, 0.6), strict=True):
        row |= {"time_ratio": time, "time_ratio_one_thread": time - 0.1}
    budgets = budget_table(FOUND, COSTS, None)
    full = {"macs": 5_838_073_856, "parameters": 5, "milliseconds": 61.0}
    return {
        "n": 4,
        "split": "test",
        "full_depth": full | {"milliseconds_one_thread": 104.0},
        "exits": exits,
        "overhead_macs_ratio": 0.03,
        "budgets": budgets,
        "without_guides": {"exits": exit_table(Measurement(MEAN, MEAN, TRUE + 0.1), COSTS)},
        "full_depth_quality": quality | {"kid_other_photos": 0.0425, "miou_real_photos": 0.61},
        "delivered_quality": [{"budget": budget} | quality for budget in BUDGETS],
        "other_inputs": [{"split": "towns", "n": 4, "budgets": budgets}],
    }


def cells(table: str) -> list[list[str]]:
    """Rows of a markdown table, headings left out."""
    lines = [line.split("|")[1:-1] for line in table.split("\n")]
    heading, rule, *rows = ([cell.strip() for cell in line] for line in lines)
    assert len(rule) == len(heading)
    assert all(len(row) == len(heading) for row in rows)
    return rows


def test_the_budget_table_says_what_the_figures_say(figures: Figures) -> None:
    rows = cells(tables.budgets(figures["budgets"]))
    assert [row[0] for row in rows] == [f"{budget:.2f}" for budget in BUDGETS]
    budget, macs, coverage, early, oracle, fixed, at_level, shares = rows[BUDGETS.index(0.1)]
    assert (budget, macs, oracle) == ("0.10", "42.0 %", "47.5 %")
    assert coverage == "75.0 % (19.4 to 99.4)"
    assert early == "66.7 % of 3 (9.4 to 99.2)"
    assert (fixed, at_level) == ("2: 40.0 %", "3: 100.0 %")
    assert shares == "50 / 25 / 25"


def test_the_exit_table_has_every_branch_and_full_depth(figures: Figures) -> None:
    first, second, full = cells(tables.exits(figures))
    assert first == ["1", "10.0 %", "20.0 %", "10.0 %", "0.1750", "0.2700", "0.2750", "0.0700"]
    assert second[:4] == ["2", "40.0 %", "60.0 %", "50.0 %"]
    assert full[:4] == ["full depth", "5.84 GMACs", "61 ms", "104 ms"]


def test_quality_and_other_inputs_have_one_row_each(figures: Figures) -> None:
    real, full, *delivered = cells(quality(figures))
    assert real == ["real photographs", "0", "0.043 (other photographs)", "0.610"]
    assert full == ["full depth", "0.310", "0.062 ± 0.007", "0.420"]
    assert [row[0].split()[-1] for row in delivered] == [f"{budget:.2f}" for budget in BUDGETS]
    towns = cells(tables.other_inputs(figures))
    assert [row[:2] for row in towns] == [["towns (n = 4)", f"{budget:.2f}"] for budget in BUDGETS]


def test_realism_has_a_row_for_every_exit_and_budget(figures: Figures) -> None:
    def judged(ratio: float) -> Figures:
        levels = {"texture": ratio / 100, "things": ratio / 50}
        real = {"texture": 0.01, "things": 0.02}
        return {"kid": levels, "kid_std": levels, "kid_real": real, "ratio": ratio}

    exits = [judged(8.0), judged(4.0), judged(2.0)]
    budgets = [{"budget": budget} | judged(3.0) for budget in BUDGETS]
    figures["realism"] = {"exits": exits, "budgets": budgets}
    figures["exit_quality"] = [{"exit": 1, "miou": 0.3}, {"exit": 2, "miou": 0.4}]
    first, _, full, *delivered, photographs = cells(realism(figures))
    assert first == ["exit 1", "80.0 ± 80.0", "160.0 ± 160.0", "8.00", "4.00", "0.300"]
    assert full[0] == "full depth" and full[3:] == ["2.00", "1.00", "0.420"]
    names = [f"delivered at budget {budget:.2f}" for budget in BUDGETS]
    assert [row[0] for row in delivered] == names
    assert delivered[0][3:] == ["3.00", "1.50", "0.420"]
    assert photographs == ["photographs", "10.0", "20.0", "1", "0.50", "0.610"]
    for row in [*exits, *budgets]:
        row["kid_real"] = {"texture": -0.001, "things": 0.02}
    assert [row[3] for row in cells(realism(figures))][:3] == ["none"] * 3
    # Older figures know neither budgets nor the branches' mIoU.
    del figures["exit_quality"], figures["realism"]["budgets"]
    older = cells(realism(figures))
    assert [row[0] for row in older] == ["exit 1", "exit 2", "full depth", "photographs"]
    assert older[0][-1] == "not measured"


def test_small_nets_stand_after_the_exit_whose_cost_they_have(figures: Figures) -> None:
    levels = {"texture": 0.08, "things": 0.16}
    judged = {"kid": levels, "kid_std": levels, "kid_real": levels, "to_full_depth": 4.0}
    figures["realism"] = {"exits": [judged, judged, judged]}
    figures["exit_quality"] = [{"kid": 0.1, "miou": 0.3}, {"kid": 0.1, "miou": 0.4}]
    cost = {"macs_ratio": 0.09, "lpips_mean": 0.21, "images": 11280, "hours": 1.25}
    net = {"kind": "trained", "exit": 1, **cost, **judged, "miou": 0.2}
    unjudged = {"kind": "trained", "exit": 2, **cost}
    nets = [net, unjudged, net | {"kind": "distilled", "to_full_depth": None}]
    figures["static"] = {"nets": nets, "exits": {"images": 11280, "hours": 1.1}}
    first, trained, distilled, second, other = cells(static(figures))
    looks = ["80.0 ± 80.0", "160.0 ± 160.0"]
    assert first == ["exit 1", "10.0 %", "0.1750", *looks, "4.00", "0.300", "11,280", "1.10"]
    assert trained == [
        "trained, as cheap as exit 1", "9.0 %", "0.2100", *looks, "4.00", "0.200", "11,280", "1.25"
    ]  # fmt: skip
    assert distilled[0] == "distilled, as cheap as exit 1" and distilled[5] == "none"
    assert second[0] == "exit 2" and second[6] == "0.400"
    assert other[3:7] == ["not measured", "not measured", "none", "not measured"]


def test_figures_from_before_have_no_early_coverage(figures: Figures) -> None:
    older = [dict(row) for row in figures["budgets"]]
    for row in older:
        del row["early"], row["early_coverage"], row["early_coverage_interval"]
    assert [row[3] for row in cells(tables.budgets(older))] == ["not measured"] * len(BUDGETS)
    none = budget_table(FOUND, COSTS, FULL_DEPTH_ONLY)
    assert [row[3] for row in cells(tables.budgets(none))] == ["none does"] * len(BUDGETS)


def test_validity_and_reliability_tables() -> None:
    rows = [
        {
            "budget": budget,
            "all": 0.99,
            "early": 0.9,
            "kinds": {"drive": 0.8},
            "nothing_early": 0.25,
        }
        for budget in (0.05, 0.075, 0.1)
    ]
    found = {"budgets": rows, "units": {"drive": 4}, "jointly": {"all": 0.9, "early": 0.85}}
    assert cells(tables.validity(found, (0.05, 0.1))) == [
        ["0.05", "99.0 %", "90.0 %", "80.0 %", "25.0 %"],
        ["0.10", "99.0 %", "90.0 %", "80.0 %", "25.0 %"],
        ["all 3 at once", "90.0 %", "85.0 %", "", ""],
    ]
    table = cells(tables.reliability(reliability(FOUND)))
    assert [row[0] for row in table] == ["narrowest", "", "", "widest"]
    assert all(len(row) == 3 for row in table)


def test_the_validity_plot_is_drawn(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    mean = random.uniform(0.02, 0.2, (60, 2))
    drawn = Drawn(Measurement(mean, mean / 5, mean), ["a"] * 60, [str(row) for row in range(60)])
    draw_validity(tmp_path / "validity.png", validity(drawn, openings(mean, mean / 5), splits=3))
    assert Image.open(tmp_path / "validity.png").size == (832, 520)


def test_the_training_table_lists_the_trained_phases() -> None:
    notes = {
        "backbone": {"images": 12_345, "hours": 1.25, "processes": 1, "device": "GPU X"},
        "branches": {"images": 800, "hours": 0.5, "processes": 2},
        "calibration": {"samples": 500, "groups": {}},
    }
    backbone, branches = cells(tables.training(notes))
    assert backbone == ["backbone", "12,345", "1.25", "1 on GPU X"]
    assert branches == ["branches", "800", "0.50", "2 on CPU"]


@pytest.fixture
def config() -> CheckpointConfig:
    calibration = Calibration(0.9, 0.9, 500, (0.1,), (0.5,), {"drawn": 300, "towns": 200})
    return CheckpointConfig(
        "label_maps", tiny.GENERATOR, tiny.CLASSES, tiny.EXITS, tiny.GUIDES, COSTS, calibration
    )


@pytest.fixture
def card(config: CheckpointConfig, figures: Figures, tmp_path: Path) -> ModelCard:
    notes = {"backbone": {"images": 800, "hours": 0.5, "processes": 1}}
    (tmp_path / "training.json").write_text(json.dumps(notes))
    Image.new("RGB", (1, 1)).save(tmp_path / SHEET)
    write_card(tmp_path, config, figures)
    return ModelCard.load(tmp_path / "README.md")


def test_the_card_is_filled_in(card: ModelCard) -> None:
    for left_open in ("{", "}", "More information needed", "None"):
        assert left_open not in card.text
    assert "6 classes" in " ".join(card.text.split())
    assert "96×64" in card.text
    assert "maps like its 500* (drawn: 300, towns: 200)" in card.text
    assert "With confidence 90% over" in card.text
    assert "| backbone | 800 | 0.50 | 1 on CPU |" in card.text
    assert SHEET in card.text
    assert PLOT not in card.text


def test_the_model_index_repeats_the_figures(card: ModelCard, figures: Figures) -> None:
    head = card.data
    assert isinstance(head, ModelCardData)
    assert head.license == "other"
    assert head.library_name == "fiancee_hub"
    results = {r.metric_name: r.metric_value for r in head.eval_results or []}
    quality = figures["full_depth_quality"]
    expected = {
        "LPIPS of full depth to the photograph": quality["lpips_to_photo"],
        "KID of full depth on AlexNet features": quality["kid"],
        "mIoU of full depth": quality["miou"],
    }
    for row in figures["exits"]:
        expected |= {f"LPIPS to full depth, exit {row['exit']}": row["lpips_mean"]}
    for row in figures["budgets"]:
        at = f"at LPIPS budget {row['budget']:.2f}"
        expected |= {f"Mean MACs ratio {at}": row["mean_macs_ratio"]}
        expected |= {f"Coverage {at}": row["coverage"]}
    assert results == expected


def test_a_card_needs_a_calibration(
    config: CheckpointConfig, figures: Figures, tmp_path: Path
) -> None:
    with pytest.raises(CheckpointError, match="no calibration"):
        write_card(tmp_path, dataclasses.replace(config, calibration=None), figures)


def test_the_readme_changes_only_between_its_markers(
    config: CheckpointConfig, figures: Figures, tmp_path: Path
) -> None:
    path = tmp_path / "README.md"
    path.write_text(f"# Über\n\n{MARKERS[0]}\nold\n{MARKERS[1]}\n\nend\n", encoding="utf-8")
    write_into_readme(path, tmp_path / "cards" / "streets", config, figures)
    once = path.read_text(encoding="utf-8")
    write_into_readme(path, tmp_path / "cards" / "streets", config, figures)
    assert path.read_text(encoding="utf-8") == once
    assert "[model card](cards/streets/README.md)" in once
    assert once.startswith(f"# Über\n\n{MARKERS[0]}\n")
    assert once.endswith(f"\n{MARKERS[1]}\n\nend\n")
    assert tables.budgets(figures["budgets"]) in once
    assert "old" not in once


@pytest.mark.parametrize("text", ["no markers", MARKERS[0], MARKERS[1] + MARKERS[0]])
def test_a_readme_without_markers_is_left_alone(
    text: str, config: CheckpointConfig, figures: Figures, tmp_path: Path
) -> None:
    path = tmp_path / "README.md"
    path.write_text(text)
    with pytest.raises(DataError, match=r"README\.md lacks the lines"):
        write_into_readme(path, tmp_path / "streets", config, figures)
    assert path.read_text() == text


@pytest.mark.parametrize("command", ["evaluate", "measure"])
@pytest.mark.parametrize("seed", [-1, 2**63])
def test_a_seed_out_of_range_is_refused_before_anything_is_measured(
    command: str, seed: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = (command, tmp_path, "--data", tmp_path / "none", "--seed", seed)
    assert main([str(word) for word in words]) == 2
    assert f"seed {seed} is out of range" in capsys.readouterr().err


def test_a_readme_without_markers_is_refused_before_anything_is_measured(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before the data, which is not even there, is read."""
    path = tmp_path / "README.md"
    path.write_text("no markers")
    words = ("evaluate", checkpoint, "--data", tmp_path / "none", "--readme", path)
    assert main([str(word) for word in words]) == 2
    assert "README.md lacks the lines" in capsys.readouterr().err


# Figures


def maps_with_people(count: int, people: dict[int, int]) -> torch.Tensor:
    """Empty streets, and somebody of class ``people[row]`` in one pixel of some of them."""
    maps = torch.zeros(count, 8, 8, dtype=torch.uint8)
    for row, class_id in people.items():
        maps[row, 3, 3] = class_id
    return maps


def test_only_maps_without_people_are_shown() -> None:
    maps = maps_with_people(6, {1: 9, 4: 10, 5: 8})
    assert without(maps, STREETS_TABLE.people).tolist() == [0, 2, 3, 5]
    assert without(maps, STREETS_TABLE.people, rows=2).tolist() == [0, 5]
    assert without(maps, ()).tolist() == [0, 1, 2, 3, 4, 5]


@given(st.integers(1, 60), st.integers(1, 20))
def test_as_many_maps_as_there_are_or_were_asked_for(count: int, rows: int) -> None:
    picks = without(maps_with_people(count, {}), STREETS_TABLE.people, rows).tolist()
    assert len(set(picks)) == len(picks) == min(count, rows)


def test_where_everybody_is_about_there_is_no_sheet(tmp_path: Path) -> None:
    pictures = torch.zeros(2, 3, 8, 8, dtype=torch.uint8)
    for people, there in (({}, True), ({0: 9, 1: 10}, False)):
        maps = maps_with_people(2, people)
        figures = {"exits": [{"macs_ratio": 0.1}]}
        found = EvaluatedMaps(figures, maps, [pictures, pictures], pictures)
        draw_sheets(tmp_path, found, STREETS_TABLE)
        assert (tmp_path / SHEET).is_file() == there
        assert (tmp_path / MORE).is_file()


def test_the_plot_can_be_drawn(figures: Figures, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    draw_plot(tmp_path / PLOT, figures)
    with Image.open(tmp_path / PLOT) as image:
        assert image.width > 400


# The command


STREETS_SEEN = {"test": 4, "towns": 3, "photos": 3, "calibration-drive": 2}


@pytest.fixture(scope="module")
def streets(tmp_path_factory: pytest.TempPathFactory) -> DataFolder:
    return write_streets(tmp_path_factory.mktemp("data") / "streets", STREETS_SEEN)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model for street classes, with fresh weights; promises nothing below 0.1."""
    generator = dataclasses.replace(tiny.GENERATOR, classes=len(STREETS))
    unknown = Costs((1,) * 4, 0, 0, 0)
    config = CheckpointConfig("label_maps", generator, STREETS, tiny.EXITS, tiny.GUIDES, unknown)
    torch.manual_seed(0)
    model = build(config).eval()
    costs = count(model)
    margins = tuple(None if budget < 0.1 else 0.5 for budget in CALIBRATED)
    openings = ((6.0,),) * len(CALIBRATED)
    calibration = Calibration(
        0.9, 0.9, 500, CALIBRATED, margins, {"drawn": 500}, early_level=0.9, openings=openings
    )
    folder = tmp_path_factory.mktemp("street-checkpoint")
    config = dataclasses.replace(config, costs=costs, calibration=calibration)
    save_checkpoint(folder, model, config)
    return folder


def test_an_uncalibrated_checkpoint_is_refused_at_once(
    checkpoint: Path, streets: DataFolder, tmp_path: Path
) -> None:
    shutil.copy(checkpoint / "model.safetensors", tmp_path)
    config = dataclasses.replace(read_config(checkpoint / "config.json"), calibration=None)
    (tmp_path / "config.json").write_text(to_json(config))
    with pytest.raises(CheckpointError, match=r"config\.json has no calibration"):
        evaluate_maps(tmp_path, streets, None)


def test_missing_data_is_named_at_once(checkpoint: Path, tmp_path: Path) -> None:
    for number, split in enumerate(("test", "photos")):
        other = {"test": "photos", "photos": "test"}[split]
        data = write_streets(tmp_path / str(number), {other: 1})
        with pytest.raises(DataError, match=rf"{split}\.txt is missing"):
            evaluate_maps(checkpoint, data, None)


@pytest.fixture(scope="module")
def evaluated(
    checkpoint: Path, streets: DataFolder, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A checkpoint folder after ``evaluate``."""
    pytest.importorskip("matplotlib")
    root = tmp_path_factory.mktemp("evaluated")
    folder = shutil.copytree(checkpoint, root / "checkpoint")
    targets = tuple(int(entry.name == "road") for entry in STREETS)
    segmenter = Segmenter(SegmenterConfig(("rest", "road"), targets, *tiny.SIZE))
    save_segmenter(segmenter, root / "segmenter", {})
    words = ["evaluate", folder, "--data", streets.root, "--segmenter", root / "segmenter"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluate_label_maps, "DRAWN", 4)
        patch.setattr("fiancee_hub.families.label_maps.training.task.DRAWN", 5)
        # Two threads on busy cores wait for each other at every operation.
        patch.setattr(evaluate, "THREADS", 1)
        quick = functools.partial(exit_milliseconds, rounds=1)
        patch.setattr(evaluate, "exit_milliseconds", quick)
        assert main([str(word) for word in words]) == 0
    return folder


@pytest.fixture(scope="module")
def written(evaluated: Path) -> Figures:
    figures: Figures = json.loads((evaluated / "evaluation.json").read_text())
    return figures


def test_evaluation_json_belongs_to_its_checkpoint(evaluated: Path, written: Figures) -> None:
    weights = (evaluated / "model.safetensors").read_bytes()
    assert written["model_sha256"] == hashlib.sha256(weights).hexdigest()
    config = read_config(evaluated / "config.json")
    assert written["full_depth"]["macs"] == config.costs.full_depth
    assert written["full_depth"]["parameters_in_all"] == config.costs.parameters
    assert 0 < written["full_depth"]["parameters"] < config.costs.parameters
    assert written["overhead_macs_ratio"] == config.costs.overhead_ratio
    assert (written["format"], written["split"], written["seed"]) == (1, "test", 0)
    assert (written["n"], written["size"]) == (STREETS_SEEN["test"], list(tiny.SIZE))
    assert (written["torch"], written["threads"]) == (torch.__version__, 1)


def test_every_exit_and_budget_has_its_figures(written: Figures) -> None:
    of_exit = {"exit", "macs_ratio", "lpips_mean", "lpips_p90", "predictor_mae"}
    timed = of_exit | {"time_ratio", "time_ratio_one_thread"}
    assert [row["exit"] for row in written["exits"]] == [1, 2, 3]
    assert all(row.keys() == timed for row in written["exits"])
    assert all(row.keys() == of_exit for row in written["without_guides"]["exits"])
    sets = [written, written["without_guides"], *written["other_inputs"]]
    for rows in (figures["budgets"] for figures in sets):
        assert [row["budget"] for row in rows] == list(BUDGETS)
        assert all(row.keys() >= OF_BUDGET for row in rows)
    assert [(other["split"], other["n"]) for other in written["other_inputs"]] == [
        ("towns", STREETS_SEEN["towns"]),
        ("drawn", 4),
    ]


OF_BUDGET = {
    *("budget", "level", "mean_macs_ratio", "coverage", "coverage_interval", "exit_shares"),
    *("oracle_macs_ratio", "fixed_exit", "fixed_exit_macs_ratio", "fixed_exit_coverage"),
}


def test_figures_are_finite_and_shares_within_bounds(written: Figures) -> None:
    def check(value: Any, name: str) -> None:
        if isinstance(value, dict):
            for key, item in value.items():
                check(item, key)
        elif isinstance(value, list):
            for item in value:
                check(item, name)
        elif isinstance(value, float):
            assert math.isfinite(value), name
            if name in SHARES:
                assert 0 <= value <= 1, name

    check(written, "")
    most = 1 + written["overhead_macs_ratio"]
    assert all(0 < row["mean_macs_ratio"] <= most for row in written["budgets"])


SHARES = {
    *("macs_ratio", "coverage", "coverage_interval", "exit_shares", "oracle_macs_ratio"),
    *("fixed_exit_macs_ratio", "fixed_exit_coverage", "overhead_macs_ratio", "miou", "level"),
    *("miou_real_photos", "lpips_mean", "lpips_p90"),
}


def test_at_full_depth_the_delivered_pictures_are_full_depths(written: Figures) -> None:
    # Below the calibrated budget of 0.1 nothing was promised: full depth only.
    full, delivered = written["full_depth_quality"], written["delivered_quality"][0]
    assert written["budgets"][0]["exit_shares"] == [0, 0, 0, 1]
    for key in ("lpips_to_photo", "kid", "miou"):
        assert delivered[key] == pytest.approx(full[key], rel=1e-3, abs=1e-9), key


def test_the_promise_is_judged_on_calibration_and_test_inputs_together(
    written: Figures, evaluated: Path
) -> None:
    found = written["validity"]
    # 2 + 4 of the drive, which is one stretch of a film; 5 + 4 drawings; 3 towns, alike here.
    assert found["inputs"] == 2 + 4 + 5 + 4 + 3
    assert found["units"] == {"drive": 1, "drawn": 9, "towns": 1}
    assert [row["budget"] for row in found["budgets"]] == list(CALIBRATED)
    assert all(row["nothing_early"] == row["early"] == 1 for row in found["budgets"])
    assert [row["exit"] for row in written["reliability"]] == [1, 2, 3]
    assert sum(part["n"] for part in written["reliability"][0]["bins"]) == 7
    card = (evaluated / "README.md").read_text()
    assert VALIDITY in card
    assert Image.open(evaluated / VALIDITY).width > 0
    assert tables.reliability(written["reliability"]) in card
    assert "of those among them that leave early" in card


def test_times_are_kept_and_the_file_says_so(
    evaluated: Path, written: Figures, streets: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert written["times"]["kept"] is False
    assert date.fromisoformat(written["times"]["taken"]) <= datetime.now(UTC).date()
    monkeypatch.setattr(evaluate, "exit_milliseconds", None)  # nothing may be timed
    subject = Subject.load(evaluated, "label_maps", keep_times=True)
    times = exit_times(subject, ())
    for row, ratios in zip(written["exits"], times.ratios, strict=False):
        assert {key: row[key] for key in ratios} == ratios
    assert times.full_depth.items() <= written["full_depth"].items()
    kept = evaluate.identity(subject, "test", 4, 0)["times"]
    assert kept == {"taken": written["times"]["taken"], "torch": torch.__version__, "kept": True}


def test_an_older_evaluation_knows_no_date(evaluated: Path, written: Figures) -> None:
    older = {key: value for key, value in written.items() if key != "times"}
    subject = dataclasses.replace(Subject.load(evaluated, "label_maps"), timed=older)
    kept = evaluate.identity(subject, "test", 4, 0)["times"]
    assert kept == {"taken": None, "torch": torch.__version__, "kept": True}


def test_times_of_other_weights_are_not_kept(checkpoint: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(checkpoint, tmp_path / "checkpoint")
    with pytest.raises(CheckpointError, match="leave --keep-times out"):
        Subject.load(folder, "label_maps", keep_times=True)
    (folder / "evaluation.json").write_text(json.dumps({"model_sha256": "0" * 64}))
    with pytest.raises(CheckpointError, match="leave --keep-times out"):
        Subject.load(folder, "label_maps", keep_times=True)


def test_the_card_says_when_kept_times_were_taken(
    config: CheckpointConfig, figures: Figures
) -> None:
    def text(**times: Any) -> str:
        return str(model_card(config, figures=figures | {"times": times}))

    assert "(2026-11-02)" in text(taken="2026-11-02", kept=True)
    assert "its date was not noted" in text(taken=None, kept=True)
    assert "earlier evaluation" not in text(taken="2026-11-02", kept=False)


def test_the_command_leaves_a_card_beside_its_figures(evaluated: Path, written: Figures) -> None:
    card = ModelCard.load(evaluated / "README.md")
    assert tables.budgets(written["budgets"]) in card.text
    assert (evaluated / PLOT).is_file()
    assert PLOT in card.text


# Small nets without exits


@pytest.fixture
def with_static(evaluated: Path, streets: DataFolder, tmp_path: Path) -> Path:
    """A measured checkpoint's folder after ``benchmarks/static.py`` has been stopped once."""
    pytest.importorskip("accelerate")
    folder = shutil.copytree(evaluated, tmp_path / "checkpoint")
    data = write_streets(tmp_path / "data", STREETS_SEEN | {"maps": 4})
    nets = "trained-3", "distilled-3"
    words = ["--data", data.root, "--checkpoint", folder, "--run-folder", tmp_path / "run"]
    words += ["--cpu", "--batch-size", 2, "--nets", *nets, "--images", 14, "--out", folder]
    benchmark = _benchmark("static")
    for more in (["--minutes", 1e-6], []):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "argv", ["static.py", *map(str, [*words, *more])])
            benchmark.main()
    return folder


def _benchmark(name: str) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "benchmarks")
        return importlib.import_module(name)


@torch.no_grad()
def test_a_copy_as_wide_as_full_depth_paints_its_pictures() -> None:
    small, model = _benchmark("small_nets"), tiny.random_model()
    whole = model.trunk_as(OasisGenerator)
    cost = count(model).full_depth
    assert small.fitting_shape(tiny.GENERATOR, cost) == tiny.GENERATOR
    copy = OasisGenerator(tiny.GENERATOR).eval()
    small.inherit(copy, whole)
    inputs = tiny.inputs(2)
    assert torch.equal(small.Distilled(copy)(None, copy.condition(*inputs), None), whole(*inputs))
    thin = small.fitting_shape(tiny.GENERATOR, cost // 2)
    assert 0.3 * cost < small.macs_of(thin) <= cost // 2
    with pytest.raises(DataError, match="no thin copy"):
        small.fitting_shape(tiny.GENERATOR, cost // 1000)


def test_small_nets_are_measured_beside_the_exits(
    with_static: Path, written: Figures, capsys: pytest.CaptureFixture[str]
) -> None:
    figures = json.loads((with_static / "evaluation.json").read_text())
    assert {name: figures[name] for name in written} == written
    trained, distilled = figures["static"]["nets"]
    assert (trained["kind"], distilled["kind"]) == ("trained", "distilled")
    cost = written["exits"][2]["macs_ratio"]
    for net in (trained, distilled):
        assert net["images"] == 14
        assert net["hours"] > 0
        assert cost / 2 < net["macs_ratio"] <= cost
        assert 0 < net["lpips_mean"] < 2
        assert net["processes"] == 1
        assert net["to_full_depth"] is None or net["to_full_depth"] > 0
    card = (with_static / "README.md").read_text()
    assert "What a small net does without exits" in card
    assert "| distilled, as cheap as exit 3 |" in card


def test_evaluate_keeps_what_the_small_nets_did(evaluated: Path, tmp_path: Path) -> None:
    """While full depth, which they are compared with, is the same; other branches do not matter."""
    folder = shutil.copytree(evaluated, tmp_path / "checkpoint")
    figures = json.loads((folder / "evaluation.json").read_text())
    (folder / "training.json").write_text('{"branches": {"images": 5, "hours": 0.5, "steps": 2}}')
    nets: Figures = {"static": {"nets": [], "exits": {"images": 3}}}
    kept: Figures = {"static": {"nets": [], "exits": {"images": 5, "hours": 0.5}}}
    for before in (figures, figures | {"model_sha256": "another"}):
        evaluate.write_json(folder / "evaluation.json", before | nets)
        assert evaluate.write_evaluation(folder, figures) == figures | kept
        assert json.loads((folder / "evaluation.json").read_text()) == figures | kept
    for other in ({"seed": 1}, {"trunk_sha256": "another"}):
        evaluate.write_json(folder / "evaluation.json", figures | nets)
        assert evaluate.write_evaluation(folder, figures | other) == figures | other


def test_the_trunk_s_digest_tells_full_depth_from_branches(evaluated: Path, tmp_path: Path) -> None:
    model, config = load_checkpoint(evaluated)
    seen = json.loads((evaluated / "evaluation.json").read_text())["trunk_sha256"]
    for part, same in ((model.branches, True), (model.trunk, False)):
        with torch.no_grad():
            next(part.parameters()).add_(1)
        save_checkpoint(tmp_path, model, config)
        subject = evaluate.Subject.load(tmp_path, config.family)
        assert (evaluate.identity(subject, "test", 1, 0)["trunk_sha256"] == seen) is same


# Other backends


def test_backends_are_tested_on_the_inputs_of_the_evaluation(
    evaluated: Path, streets: DataFolder, tmp_path: Path
) -> None:
    folder = shutil.copytree(evaluated, tmp_path / "checkpoint")
    before = json.loads((folder / "evaluation.json").read_text())
    words = ["evaluate", folder, "--data", streets.root, "--backend", "eager"]
    for dtype in ("bfloat16", "float16", "bfloat16"):
        assert main([str(word) for word in [*words, "--dtype", dtype]]) == 0
    after = json.loads((folder / "evaluation.json").read_text())
    tests = after.pop("backends")
    assert after == before
    assert [test["dtype"] for test in tests] == ["bfloat16", "float16"]  # each once
    for test in tests:
        assert test["n"] == STREETS_SEEN["test"]
        branches = [row["lpips_mean"] for row in before["exits"]]
        assert test["lpips"] == pytest.approx([*branches, 0], abs=0.02)
        assert {row["holds"] for row in test["budgets"]} == {None}  # too few inputs
    # The whole evaluation keeps them, and the card forgets them once the margins are others.
    assert evaluate.write_evaluation(folder, before)["backends"] == tests
    config = read_config(folder / "config.json")
    calibration = config.calibration
    assert calibration is not None
    others = dataclasses.replace(calibration, margins=(None,) * len(CALIBRATED))
    for margins, shown in ((calibration, True), (others, False)):
        changed = dataclasses.replace(config, calibration=margins)
        text = str(model_card(changed, figures=before | {"backends": tests}))
        assert ("| eager, float16 | none |" in text) is shown


def test_budgets_that_hold_elsewhere_are_told_in_short() -> None:
    def told(*failing: float) -> str:
        budgets = [round(0.01 * step, 2) for step in range(1, 11)]
        rows = [{"budget": b, "misses": 1, "holds": b not in failing} for b in budgets]
        test = {"backend": "openvino", "dtype": "float32", "device": "cpu", "n": 4}
        (line,) = cells(tables.backends([test | {"lpips": [0, 0.0012], "budgets": rows}], (0.05,)))
        assert (line[0], line[2], line[3]) == ("openvino, float32", "0.0012", "75.0 %")
        return line[1]

    assert told() == "all 10"
    assert told(0.02) == "all but 0.02"
    assert told(0.01, 0.02, 0.03, 0.05) == "6 of 10, all from 0.06 on"
    assert told(0.01, 0.02, 0.03, 0.1) == "6 of 10"
    assert told(*(round(0.01 * step, 2) for step in range(1, 11))) == "none"
