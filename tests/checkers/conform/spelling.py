"""Writes a run of the specification as QEMU 11.1 would log it."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Sequence
from typing import Any

from checkers.conform.names import OBJECTS, error_of
from spec.language.control import HostCall
from spec.language.program import Program
from spec.language.steps import Step, take


def logged(program: Program, steps: Sequence[Step]) -> list[str]:
    """The lines of a run; devices are v1, v2, ..., and each id is the specification's."""
    state, bound, found = program.initial()[0], dict[int, int](), list[str]()
    for step in steps:
        outcome = take(program, state, step)
        for call in outcome.calls:
            found += _lines(call, program, outcome.state, bound)
        state = outcome.state
    return found


def _lines(
    call: HostCall, program: Program, after: bytes, bound: dict[int, int]
) -> Iterator[str]:
    error, out = error_of(call), _out(call)
    why = os.strerror(getattr(errno, error)) if error else ""
    number = -getattr(errno, error) if error else 0
    dev = int(call.arguments.get("dev", 0))
    on = next((int(call.arguments[name]) for name in OBJECTS if name in call.arguments), 0)
    match call.name:
        case "iommufd_cdev_connect_and_bind" if not error:
            store = program.store()
            store.load(after)
            free: Any = store.state
            bound[dev] = int(free.devices[dev].object) or max(bound.values(), default=0) + 1
            yield (
                f"iommufd_cdev_connect_and_bind  [iommufd=200] Successfully bound device v{dev} "
                f"(fd={200 + dev}): output devid={bound[dev]}"
            )
        case "iommufd_backend_alloc_ioas" if not error:
            yield f"iommufd_backend_alloc_ioas  iommufd=200 ioas={out}"
        case "iommufd_backend_alloc_hwpt":
            parent = int(call.arguments["nest_parent"])
            yield (
                f"iommufd_backend_alloc_hwpt  iommufd=200 dev_id={bound[dev]} pt_id={on} "
                f"flags={parent:#x} hwpt_type=0 len=0 data_ptr=0x0 out_hwpt={out} ({number})"
            )
        case "iommufd_backend_alloc_viommu":
            yield (
                f"iommufd_backend_alloc_viommu  iommufd=200 dev_id={bound[dev]} type=1 "
                f"hwpt_id={on} data_ptr=0x0 data_len=0x0 viommu_id={out} ({number})"
            )
        case "iommufd_backend_free_id":
            yield f"iommufd_backend_free_id  iommufd=200 id={on} ({number})"
        case "iommufd_cdev_attach_ioas_hwpt":
            head = "qemu-system-x86_64: [iommufd=200] error attach" if error else (
                "iommufd_cdev_pasid_attach_ioas_hwpt  [iommufd=200] Successfully attached device"
            )
            tail = f": {why}" if error else ""
            yield f"{head} v{dev} ({200 + dev}) pasid 0 to id={on}{tail}"
        case "iommufd_cdev_detach_ioas_hwpt" if not error:
            yield (
                f"iommufd_cdev_pasid_detach_ioas_hwpt  [iommufd=200] Successfully detached v{dev} "
                "pasid 0"
            )
        case "vfio_device_get_info" if not error:
            yield f"iommufd_cdev_device_info  v{dev} ({200 + dev}) num_irqs=5 num_regions=9 flags=3"


def _out(call: HostCall) -> int:
    return int(call.result[1]) if isinstance(call.result, tuple) else 0
