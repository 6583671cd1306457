"""Maps and connections have rules of their own."""

from __future__ import annotations

import pytest

from checkers.conform.beside import wrong
from checkers.conform.events import Area, Called, Connection, Event

MAP, UNMAP = Area(1, True, 2, 0x1000, 0x1000), Area(2, False, 2, 0x1000, 0x1000)
GONE = Called(3, "iommufd_backend_free_id", objects=(2,))
CONNECT, DISCONNECT = Connection(1, True, 1), Connection(3, False, 0)
BIND = Called(2, "iommufd_cdev_connect_and_bind", "v1")


@pytest.mark.parametrize("events", [
    [MAP, UNMAP, GONE],
    [Area(1, True, 2, 0x1000, 0x1000, "ENOMEM"), MAP, UNMAP, GONE],
    [Area(1, True, 2, 0x1000, 0x1000, "ENOMEM"), GONE],
    [MAP, Area(2, False, 2, 0x1000, 0x1000, "EBUSY"), GONE],
    [MAP, Area(2, False, 2, 0, 0x10000), GONE],
    [CONNECT, BIND, DISCONNECT],
    [BIND, BIND],
])  # fmt: skip
def test_what_is_right(events: list[Event]) -> None:
    assert wrong(events) is None


@pytest.mark.parametrize(("events", "line", "why"), [
    ([MAP, MAP], 1, "EEXIST"),
    ([MAP, Area(2, True, 2, 0, 0x1800)], 2, "EEXIST"),
    ([UNMAP], 2, "ENOENT"),
    ([MAP, Area(2, False, 2, 0, 0x1800)], 2, "ENOENT"),
    ([MAP, Area(1, True, 2, 0x2000, 0x1000), Area(2, False, 2, 0, 0x2800)], 2, "no whole area"),
    ([Area(1, True, 2, 0x1000, 0x1000, "ENOMEM"), UNMAP], 2, "ENOENT"),
    ([MAP, Area(1, True, 2, 0x2000, 0x1000), Area(2, False, 2, 0x1000, 0x1000, "EBUSY"), GONE],
     3, "0x2000 still mapped"),
    ([MAP, GONE], 3, "0x1000 still mapped"),
    ([CONNECT, BIND, BIND], 2, "v1 is bound and has not connected"),
    ([CONNECT, BIND, CONNECT], 1, "1 devices use the iommufd, not 2"),
    ([CONNECT, DISCONNECT, BIND], 2, "has not connected"),
])  # fmt: skip
def test_what_is_wrong(events: list[Event], line: int, why: str) -> None:
    found = wrong(events)
    assert found is not None
    assert found[0] == line
    assert why in found[1]
