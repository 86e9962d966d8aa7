"""What training and evaluation on streets know beyond the data's own folder."""

from fiancee_hub.domains.streets.classes import LANE_MARKING, ROAD, STREETS, UNKNOWN
from fiancee_hub.domains.streets.drawings import (
    BICYCLIST,
    INSTEAD,
    PEDESTRIAN,
    draw_label_map,
)
from fiancee_hub.families.label_maps.training.class_table import ClassTable, MapDomain

STREETS_TABLE = ClassTable(
    STREETS,
    unknown=UNKNOWN,
    # Half of the maps that people bring have no lane markings.
    part_of={LANE_MARKING: ROAD},
    instead=INSTEAD,
    people=(PEDESTRIAN, BICYCLIST),
)
"""Of any data with these classes; what its photographs are, each folder says itself."""

DOMAIN = MapDomain(STREETS_TABLE, draw_label_map)
