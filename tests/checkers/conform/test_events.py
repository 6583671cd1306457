"""Which events are calls, and what they say."""

from __future__ import annotations

import pytest

from checkers.conform.events import Area, Called, Connection, Event, calls
from checkers.conform.log import Line, UnclearError

BIND = "iommufd_cdev_connect_and_bind"
BOUND = Line(1, BIND, "[iommufd=200] Successfully bound device v1 (fd=201): output devid=7")


def told(*said: Line, known: frozenset[str] = frozenset()) -> list[Event]:
    return list(calls(said, known))


def test_a_device_is_known_by_its_name() -> None:
    text = (
        "iommufd=200 dev_id=7 pt_id=2 flags=0x1 hwpt_type=0 len=0 data_ptr=0x0 out_hwpt=3 (0)"
    )
    made = told(BOUND, Line(2, "iommufd_backend_alloc_hwpt", text))[1]
    assert made == Called(
        2, "iommufd_backend_alloc_hwpt", "v1", (2,), 3, "", {"nest_parent": True, "data": False}
    )


@pytest.mark.parametrize(("ret", "error"), [("0", ""), ("-1", "?"), ("-16", "EBUSY"), ("5", "EIO")])
def test_an_errno_is_said_as_far_as_the_log_says_it(ret: str, error: str) -> None:
    (freed,) = told(Line(1, "iommufd_backend_free_id", f"iommufd=200 id=3 ({ret})"))
    assert isinstance(freed, Called)
    assert freed.error == error


def test_a_refused_attach_is_a_report() -> None:
    report = "[iommufd=200] error attach v1 (201) pasid 0 to id=9: Device or resource busy"
    (refused,) = told(Line(3, "", report))
    assert refused == Called(
        3, "iommufd_cdev_attach_ioas_hwpt", "v1", (9,), 0, "EBUSY", {"pasid": False}
    )


def test_both_orders_of_a_viommus_words_are_read() -> None:
    for words in ("dev_id=7 type=1", "type=1 dev_id=7"):
        text = f"iommufd=200 {words} hwpt_id=3 viommu_id=4 (0)"
        made = told(BOUND, Line(2, "iommufd_backend_alloc_viommu", text))[1]
        assert isinstance(made, Called)
        assert (made.device, made.objects, made.made) == ("v1", (3,), 4)


def test_maps_and_connections_are_apart() -> None:
    assert told(
        Line(1, "iommufd_backend_connect", "fd=200 owned=0 users=1"),
        Line(2, "iommufd_backend_map_dma",
             "iommufd=200 ioas=2 iova=0x1000 size=0x2000 addr=0x7f00 readonly=1 (0)"),
        Line(3, "iommufd_backend_unmap_dma", "iommufd=200 ioas=2 iova=0x1000 size=0x2000 (-1)"),
    ) == [
        Connection(1, True, 1),
        Area(2, True, 2, 0x1000, 0x2000),
        Area(3, False, 2, 0x1000, 0x2000, "?"),
    ]


@pytest.mark.parametrize(("line", "why"), [
    (Line(4, "dropped_event", ""), "line 4: events were dropped"),
    (Line(4, "iommufd_new_thing", "x"), "line 4: iommufd_new_thing is no event that is known"),
    (Line(4, "iommufd_backend_free_id", "id three"), "spelled otherwise"),
    (Line(4, "iommufd_backend_free_id", "iommufd=300 id=3 (0)"), "more than one iommufd"),
    (Line(4, "iommufd_backend_alloc_hwpt", "iommufd=200 dev_id=9 pt_id=2 flags=0x1 hwpt_type=0 "
          "len=0 data_ptr=0x0 out_hwpt=3 (0)"), "device 9 was bound before the log begins"),
])  # fmt: skip
def test_what_cannot_be_told_is_unclear(line: Line, why: str) -> None:
    with pytest.raises(UnclearError, match=why):
        told(BOUND, line)


def test_other_events_say_nothing() -> None:
    assert told(Line(1, "vtd_reset_exit", ""), Line(2, "", "a report")) == []
    assert told(Line(1, "my_own_event", ""), known=frozenset({"my_own_event"})) == []
