"""Items of one kind together, from a stream of any length and in bounded memory."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")


def grouped(
    items: Iterable[Item], kind: Callable[[Item], Hashable], size: int, most: int
) -> Iterator[list[Item]]:
    """Groups of one kind, each full unless too many items wait or none follow.

    Args:
        items: read only as far as the groups need.
        kind: what the items of a group share.
        size: items in a full group.
        most: items that wait at once; one more, and the fullest group goes as it is.
    """
    waiting: defaultdict[Hashable, list[Item]] = defaultdict(list)
    count = 0
    for item in items:
        group = waiting[kind(item)]
        group.append(item)
        count += 1
        if len(group) < size and count > most:
            group = max(waiting.values(), key=len)
        elif len(group) < size:
            continue
        count -= len(group)
        yield waiting.pop(kind(group[0]))
    yield from waiting.values()
