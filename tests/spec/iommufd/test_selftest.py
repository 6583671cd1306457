"""The kernel's own selftest, row by row: what is there, what is asked, which errno answers."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from viommu_spec.provenance import FOLDER, table

from spec.iommufd.objects import Errno, Kind
from spec.iommufd.uapi import alloc, attach, device, events, hw_queue, invalidate, ioas, lifetime
from spec.iommufd.uapi.state import Driver
from spec.language import NONE, Fault, Id
from spec.memory.section import Section
from tests.spec.running import Run

TABLE = tomllib.loads(Path(__file__).with_name("selftest.toml").read_text(encoding="utf-8"))
INDEX = table(FOLDER / "selftest.toml")
ROWS: dict[str, list[str]] = TABLE["rows"]
MOCK = {
    "slots": 12, "devices": 3, "groups": 3, "driver": Driver.MOCK, "can_pasid": 0b101,
    "can_dirty": 0b001, "queues": 1, "hw_queues": 1, "sections": 2, "reserves": 0b010,
    "reserves_all": 1, "rare": 1, "events": 1, "page_requests": 1,
    "virt_ids": 2,
}  # fmt: skip


def page(words: tuple[str, ...]) -> Id[Section]:
    """The section of memory that the words of a step are about."""
    return Id(2 if "other" in words else 1)


def entry(word: str) -> tuple[invalidate.Entry, Any]:
    """An entry, and the guest's id that it names a device by: 1, or one that is not known."""
    if word == "OF_UNKNOWN":
        return invalidate.Entry.OF_DEVICE, 2
    return invalidate.Entry[word], 1


DATA = {
    "table": alloc.Data.OF_ITS_TYPE, "another_type": alloc.Data.OF_ANOTHER_TYPE,
    "no_type": alloc.Data.OF_NO_TYPE,
}  # fmt: skip


class User:
    """A user of the mock driver; `named` has the ids that calls have answered."""

    def __init__(self) -> None:
        self.s = Run("iommufd-objects", values=MOCK).s
        self.named = {f"dev{number}": Id[Any](number) for number in (1, 2, 3)}
        self.named |= {"free": Id(12), "0": NONE}

    def step(self, text: str) -> None:
        """Take one step and look at its answer."""
        call, _, wanted = text.partition(" : ")
        name, _, call = call.rpartition(" = ")
        word, *arguments = call.split()
        err, *answer = getattr(self, word)(*arguments)
        expected = wanted.split() or ["OK"]
        assert err.name == expected[0], text
        assert [str(number) for number in answer[: len(expected) - 1]] == expected[1:], text
        if name:
            self.named[name] = Id(answer[0])

    def bind(self, dev: str) -> tuple[Errno, ...]:
        err = device.bind(self.s, self.named[dev], Fault())
        return err, self.s.devices[self.named[dev]].object

    def unbind(self, dev: str) -> tuple[Errno, ...]:
        device.unbind(self.s, self.named[dev])
        return (Errno.OK,)

    def hw_info(self, dev: str, *words: str) -> tuple[Errno, ...]:
        return (
            device.get_hw_info(self.s, self.named[dev], "other_type" not in words, Fault()),
        )

    def made(self, function: Any) -> tuple[Any, ...]:
        """The id of what a call makes that answers nothing: the lowest that is free."""
        new = next(o.id for o in self.s.objects if o.kind == Kind.FREE)
        function(self.s)
        return Errno.OK, new

    def ioas(self) -> tuple[Any, ...]:
        return self.made(alloc.ioas_alloc)

    def fault(self) -> tuple[Any, ...]:
        return self.made(alloc.fault_queue_alloc)

    def hwpt(self, dev: str, pt: str, *words: str) -> tuple[Any, ...]:
        queue = [word.removeprefix("fault=") for word in words if word.startswith("fault=")]
        flags = [flag in words for flag in ("nest_parent", "dirty", "pasid", "unknown")]
        data = [DATA[word] for word in words if word in DATA]
        return alloc.iommufd_hwpt_alloc(
            self.s, self.named[dev], self.named[pt], *flags,
            self.named[queue[0]] if queue else NONE,
            data[0] if data else alloc.Data.NONE,
            1 if "table" in words else 0,  # type: ignore[arg-type]
        )  # fmt: skip

    def viommu(self, dev: str, hwpt: str, *words: str) -> tuple[Any, ...]:
        return alloc.iommufd_viommu_alloc(
            self.s, self.named[dev], self.named[hwpt], "another_type" not in words
        )

    def mmap(self, viommu: str, *words: str) -> tuple[Errno, ...]:
        return (alloc.viommu_mmap(self.s, self.named[viommu], "inexact" not in words),)

    def track_dirty(self, hwpt: str, *words: str) -> tuple[Errno, ...]:
        return (alloc.hwpt_set_dirty_tracking(self.s, self.named[hwpt], "off" not in words),)

    def vdevice(self, viommu: str, dev: str, virt_id: str) -> tuple[Any, ...]:
        return alloc.iommufd_vdevice_alloc(
            self.s, self.named[viommu], self.named[dev], int(virt_id)  # type: ignore[arg-type]
        )

    def veventq(self, viommu: str) -> tuple[Any, ...]:
        return alloc.iommufd_veventq_alloc(self.s, self.named[viommu])

    def close(self, queue: str) -> tuple[Errno, ...]:
        alloc.close_file(self.s, self.named[queue])
        return (Errno.OK,)

    def invalidate(self, target: str, one: str, two: str, *words: str) -> tuple[Any, ...]:
        return invalidate.iommufd_hwpt_invalidate(
            self.s, self.named[target], "other_type" not in words,
            *entry(one), *entry(two),
        )  # fmt: skip

    def map(self, as_: str, *words: str) -> tuple[Errno, ...]:
        return (ioas.ioas_map(self.s, self.named[as_], page(words), Fault()),)

    def unmap(self, as_: str, *words: str) -> tuple[Errno, ...]:
        return (ioas.ioas_unmap(self.s, self.named[as_], page(words), Fault()),)

    def map_anywhere(self, as_: str) -> tuple[Errno, ...]:
        return (ioas.ioas_map_anywhere(self.s, self.named[as_]),)

    def unmap_all(self, as_: str) -> tuple[Errno, ...]:
        return (ioas.ioas_unmap_all(self.s, self.named[as_]),)

    def copy(self, source: str, as_: str, *words: str) -> tuple[Errno, ...]:
        return (
            ioas.ioas_copy(self.s, self.named[source], Id(1), self.named[as_], page(words)),
        )

    def allow(self, as_: str) -> tuple[Errno, ...]:
        return (ioas.ioas_allow_iovas(self.s, self.named[as_], False),)

    def hw_queue(self, viommu: str, index: str, *words: str) -> tuple[Any, ...]:
        asked = [word for word in words if word in hw_queue.Asked.__members__]
        return hw_queue.iommufd_hw_queue_alloc(
            self.s, self.named[viommu], hw_queue.Asked[asked[0] if asked else "QUEUE"],
            int(index), page(words),
        )  # fmt: skip

    def attach(self, dev: str, pt: str, *words: str) -> tuple[Any, ...]:
        return self.change(dev, pt, words, False)

    def replace(self, dev: str, pt: str, *words: str) -> tuple[Any, ...]:
        return self.change(dev, pt, words, True)

    def change(self, dev: str, pt: str, words: tuple[str, ...], replace: bool) -> tuple[Any, ...]:
        return attach.iommufd_device_change_pt(
            self.s, self.named[dev], "pasid" in words, self.named[pt], replace,
            Fault(1 if "host_refuses" in words else 0),
        )  # fmt: skip

    def detach(self, dev: str, *words: str) -> tuple[Errno, ...]:
        attach.detach(self.s, self.named[dev], "pasid" in words)
        return (Errno.OK,)

    def event(self, dev: str) -> tuple[Any, ...]:
        return events.report_event(self.s, self.named[dev]), self.s.devices[self.named[dev]].vsid

    def use(self, dev: str) -> tuple[Errno, ...]:
        events.fill_atc(self.s, self.named[dev])
        return (Errno.OK,)

    def cached(self, dev: str) -> tuple[Errno, ...]:
        return (Errno.OK if self.s.devices[self.named[dev]].cached else Errno.ENOENT,)

    def not_cached(self, dev: str) -> tuple[Errno, ...]:
        return (Errno.ENOENT if self.s.devices[self.named[dev]].cached else Errno.OK,)

    def page_request(self, dev: str, *words: str) -> tuple[Errno, ...]:
        events.page_request(self.s, self.named[dev], "pasid" in words)
        return (Errno.OK,)

    def answered(self, dev: str, *words: str) -> tuple[Errno, ...]:
        d = self.s.devices[self.named[dev]]
        return (Errno.EBUSY if d.waits or d.pasid_waits else Errno.OK,)

    def destroy(self, obj: str) -> tuple[Errno, ...]:
        if self.named[obj] == NONE:
            return (Errno.ENOENT,)
        return (lifetime.iommufd_ioctl_destroy(self.s, self.named[obj]),)


@pytest.mark.parametrize("row", ROWS)
def test_row(row: str) -> None:
    user = User()
    for text in ROWS[row]:
        user.step(text)


def test_every_row_of_the_rules_is_run_or_has_a_reason_why_not() -> None:
    reasons = [row for rows in TABLE["inexpressible"].values() for row in rows]
    rows = [row for rows in INDEX["tests"].values() for row in rows]
    assert sorted([*map(int, ROWS), *reasons]) == rows == [*range(1, len(rows) + 1)]


def test_what_a_row_asks_that_is_not_run_is_said() -> None:
    reasons = [row for rows in TABLE["inexpressible"].values() for row in rows]
    assert {*map(str, reasons)} <= {*INDEX["asks"]}


def test_a_row_that_expects_another_errno_fails() -> None:
    with pytest.raises(AssertionError):
        User().step("destroy 0 : EBUSY")
