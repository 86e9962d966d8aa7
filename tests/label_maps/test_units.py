"""Neighbouring frames of a film count as one."""

from fiancee_hub.families.label_maps.training.units import units_of


def test_frames_of_a_drive_count_by_ten_seconds() -> None:
    names = [f"Seq05VD_f{frame:05d}" for frame in range(0, 900, 30)]
    units = units_of(names)
    assert len(set(units)) == 3
    assert len(set(units[:10])) == 1
    assert units[9] != units[10]


def test_two_drives_never_share_a_stretch() -> None:
    names = [f"{drive}_{frame:03d}" for drive in "ab" for frame in range(5)]
    assert len(set(units_of(names))) == 2


def test_pictures_of_many_places_stand_alone() -> None:
    names = [f"{place}_p{number}" for place in ("boston", "palma", "here") for number in (1, 2)]
    assert units_of(names) == names
    assert units_of(["one", "two"]) == ["one", "two"]
    assert units_of(["only_1"]) == ["only_1"]
    assert units_of([]) == []
