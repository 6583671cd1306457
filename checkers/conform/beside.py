"""What a log says beside the calls that a machine makes, held against the rules for it.

The machines know sections of memory, not addresses, and a guest's memory changes in more ways than
theirs; and the close of a file is no event. So these are not walked along with. Maps are held
against the kernel's rules by address, and against what VFIO's listener leaves when a container
goes; connections against the devices that are bound.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from checkers.conform.events import Area, Called, Connection, Event

Wrong = tuple[int, str]


def wrong(events: Iterable[Event]) -> Wrong | None:
    """The first line that breaks a rule, and how; nothing if none does."""
    found = [*events]
    return min([*_areas(found), *_connections(found)], default=None)


def _connections(events: Iterable[Event]) -> Iterator[Wrong]:
    """Every device connects before it is bound, and is counted until it disconnects."""
    if not any(isinstance(event, Connection) for event in events):
        return
    users = unbound = 0
    for event in events:
        if isinstance(event, Connection):
            users += 1 if event.begins else -1
            unbound = 1 if event.begins else 0
            if users != event.users:
                yield event.line, f"{event.users} devices use the iommufd, not {users}"
                users = event.users
        elif isinstance(event, Called) and event.name == "iommufd_cdev_connect_and_bind":
            if not unbound:
                yield event.line, f"{event.device} is bound and has not connected to the iommufd"
            unbound = 0


def _areas(events: Iterable[Event]) -> Iterator[Wrong]:
    areas = dict[int, dict[int, int]]()
    unsure = set[int]()
    for event in events:
        why = ""
        if isinstance(event, Called):
            why = _gone(areas, unsure, event)
        elif isinstance(event, Area):
            does = _map if event.maps else _unmap
            why = does(areas.setdefault(event.ioas, {}), unsure, event)
        if why:
            yield event.line, why


def _map(of: dict[int, int], unsure: set[int], event: Area) -> str:
    end = event.start + event.size
    taken = any(start < end and event.start < start + size for start, size in of.items())
    if event.error:
        unsure.add(event.ioas)
        return ""
    if taken:
        return f"MAP of {event.start:#x} succeeds where something is mapped (kernel R1.4: EEXIST)"
    of[event.start] = event.size
    return ""


def _unmap(of: dict[int, int], unsure: set[int], event: Area) -> str:
    if event.error:
        unsure.add(event.ioas)
        return ""
    end = event.start + event.size
    inside = [start for start, size in of.items() if event.start <= start and start + size <= end]
    for start in inside:
        del of[start]
    if not inside and event.ioas not in unsure:
        return f"UNMAP of {event.start:#x} succeeds where nothing is (kernel R1.9: ENOENT)"
    return ""


def _gone(areas: dict[int, dict[int, int]], unsure: set[int], event: Called) -> str:
    """An IOAS goes when VFIO's listener has unmapped what it had mapped."""
    if event.name != "iommufd_backend_free_id" or event.error:
        return ""
    left = areas.pop(event.objects[0], {})
    if left and event.objects[0] not in unsure:
        return f"an IOAS goes with {min(left):#x} still mapped: the listener unmaps all before"
    return ""
