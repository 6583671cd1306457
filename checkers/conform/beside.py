"""What a log says beside the calls that a machine makes, held against the rules for it.

The machines know sections of memory, not addresses, and a guest's memory changes in more ways than
theirs; and the close of a file is no event. So these are not walked along with. Maps are held
against the kernel's rules by address, and against what VFIO's listener leaves when a container
goes; connections against the devices that are bound.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

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


@dataclass
class Mapped:
    """What an IOAS maps, by start; `refused` are those of which an UNMAP was refused."""

    areas: dict[int, int] = field(default_factory=dict)
    refused: set[int] = field(default_factory=set)

    def touched(self, event: Area) -> list[int]:
        """The starts of what a range meets, even partly."""
        end = event.start + event.size
        return [
            start
            for start, size in self.areas.items()
            if start < end and event.start < start + size
        ]

    def inside(self, event: Area, start: int) -> bool:
        """Whether an area is in a range, all of it."""
        return event.start <= start and start + self.areas[start] <= event.start + event.size


def _areas(events: Iterable[Event]) -> Iterator[Wrong]:
    of = dict[int, Mapped]()
    for event in events:
        why = ""
        if isinstance(event, Called):
            why = _gone(of, event)
        elif isinstance(event, Area):
            does = _map if event.maps else _unmap
            why = does(of.setdefault(event.ioas, Mapped()), event)
        if why:
            yield event.line, why


def _map(of: Mapped, event: Area) -> str:
    """A MAP maps all of a range, or if it is refused nothing."""
    if event.error:
        return ""
    if of.touched(event):
        return f"MAP of {event.start:#x} succeeds where something is mapped (kernel R1.4: EEXIST)"
    of.areas[event.start] = event.size
    return ""


def _unmap(of: Mapped, event: Area) -> str:
    """An UNMAP takes whole areas, or if it is refused none."""
    touched = of.touched(event)
    if event.error:
        of.refused.update(touched)
        return ""
    if not touched or not all(of.inside(event, start) for start in touched):
        return f"UNMAP of {event.start:#x} succeeds where no whole area is (kernel R1.9: ENOENT)"
    for start in touched:
        del of.areas[start]
        of.refused.discard(start)
    return ""


def _gone(of: dict[int, Mapped], event: Called) -> str:
    """An IOAS goes when VFIO's listener has unmapped what it had mapped, as far as it could."""
    if event.name != "iommufd_backend_free_id" or event.error:
        return ""
    gone = of.pop(event.objects[0], Mapped())
    left = gone.areas.keys() - gone.refused
    if left:
        return f"an IOAS goes with {min(left):#x} still mapped: the listener unmaps all before"
    return ""
