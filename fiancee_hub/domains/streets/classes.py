"""The classes of the streets model and how each source data set's ids map onto them.

CamVid: Brostow et al., 2008/2009. LabelMeFacade: Froehlich et al., ICPR 2010.
"""

from fiancee_hub.hub.domains import shipped

_SHIPPED = shipped("streets")

STREETS = _SHIPPED.classes
DOMAIN = _SHIPPED.domain
"""What checkpoints say about this data; the aliases are colours of the 32-class form of CamVid
that the 11-class form lacks."""

UNKNOWN = 12
LANE_MARKING = 11
ROAD = 3

CAMVID11_IDS = (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, UNKNOWN)
"""Class of each id of the 11-class form of CamVid."""

_BY_32 = {
    **{index: UNKNOWN for index in range(32)},
    **{2: 10, 13: 10, 4: 1, 28: 1, 31: 1, 5: 8, 22: 8, 25: 8, 27: 8, 7: UNKNOWN, 8: 2, 9: 7},
    **{10: LANE_MARKING, 11: LANE_MARKING, 12: 6, 20: 6, 24: 6, 15: 4, 19: 4, 16: 9},
    **{17: ROAD, 18: ROAD, 21: 0, 26: 5, 29: 5},
}
CAMVID32_IDS = tuple(_BY_32[index] for index in range(32))
"""Class of each id of the 32-class form of CamVid."""

LABELMEFACADE_IDS = (UNKNOWN, 1, 8, 1, 4, 3, 0, 5, 1)
"""Class of each id of LabelMeFacade; its windows and doors are parts of buildings here."""
