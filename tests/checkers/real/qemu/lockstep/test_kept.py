"""What QEMU 11.1 did in lockstep is what the machine says of it; anything else is not."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from checkers.real.qemu.lockstep.every_pair import linked
from checkers.real.qemu.lockstep.kept import held
from checkers.real.qemu.lockstep.of_vfio_attach import SETTINGS
from checkers.userfiles import InputError

RECORDED = Path(__file__).with_name("vfio-attach.jsonl").read_text()
Change = Callable[[dict[str, Any]], None]


def one(name: str) -> list[dict[str, Any]]:
    """The lines of a setting."""
    lines = [json.loads(line) for line in RECORDED.splitlines()]
    first = next(n for n, line in enumerate(lines) if line.get("name") == name)
    rest = [n for n, line in enumerate(lines) if line["type"] == "setting" and n > first]
    return lines[first : (rest or [len(lines)])[0]]


def written(lines: list[dict[str, Any]]) -> str:
    return "\n".join(map(json.dumps, lines))


def test_every_act_goes_as_the_machine_says() -> None:
    found = list(held(RECORDED))
    assert {item.setting for item in found} == {item.name for item in SETTINGS}
    assert [item for item in found if item.differs is not None] == []


@pytest.mark.parametrize(
    ("kind", "where", "change", "what"),
    [
        ("act", {}, lambda act: act["calls"].pop(3), "the host calls"),
        ("act", {}, lambda act: act["calls"].insert(3, act["calls"][3]), "the host calls"),
        ("act", {}, lambda act: act["calls"].insert(2, act["calls"].pop(3)), "the host calls"),
        ("act", {}, lambda act: act.update(refused=not act["refused"]), "the answer"),
        ("act", {}, lambda act: act.update(ended="it ended"), "the answer"),
        ("call", {"name": "iommufd_backend_alloc_hwpt"}, lambda call: call["flags"].update(
            nest_parent=True), "the host calls"),
        ("call", {"name": "iommufd_backend_map_dma"}, lambda call: call.update(
            part=[0, 4096]), "the host calls"),
        ("call", {"name": "iommufd_cdev_attach_ioas_hwpt"}, lambda call: call.update(
            objects=[2]), "the host calls"),
        ("call", {"name": "vfio_device_get_region_info"}, lambda call: call.update(
            part=[6, 0]), "the host calls"),
        ("kernel", {}, lambda line: line["objects"].update({"objects[1].refs": 7}),
         "the kernel's objects, objects[1].refs"),
        ("kernel", {}, lambda line: line["areas"]["2"].pop(), "what IOAS 2 maps"),
    ],
)  # fmt: skip
def test_what_is_otherwise_is_seen(
    kind: str, where: dict[str, Any], change: Change, what: str
) -> None:
    lines = one("no-viommu")
    plugged = next(line for line in lines if line["type"] == "act" and not line["refused"])
    after = [line for line in lines if line["type"] == "kernel"][plugged["after"]]
    chosen = {"act": [plugged], "kernel": [after]}.get(kind) or [
        line for line in lines if line["type"] == kind and where.items() <= line.items()
    ]
    change(chosen[0])
    told = [item.differs.what for item in held(written(lines)) if item.differs is not None]
    assert told[:1] == [what]


def test_a_hang_is_no_crash() -> None:
    lines = one("vtd-memory")
    (crash, *_) = [line for line in lines if line.get("ended")]
    crash["ended"] = "it hangs"
    told = [item.differs for item in held(written(lines)) if item.differs is not None]
    assert [item.what for item in told] == ["the answer"]
    assert told[0].other.found == "it hangs"


def test_another_machine_is_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    from checkers.real.qemu.lockstep import kept

    monkeypatch.setattr(kept, "linked", lambda setting: linked(setting, "vfio-hiod-dangles"))
    found = [item.differs for item in held(written(one("smmuv3-group"))) if item.differs]
    assert found


def test_a_recording_begins_with_a_setting() -> None:
    with pytest.raises(InputError, match="line 1: of which setting"):
        list(held(RECORDED.partition("\n")[2]))


def test_a_line_that_is_none_is_named() -> None:
    with pytest.raises(InputError, match="line 1: "):
        list(held('{"type": "call"}'))
