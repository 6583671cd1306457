"""Addresses that devices reserve: an IOAS keeps them free while such a device is attached to it."""

from __future__ import annotations

from spec.iommufd.objects import Device, Errno, Object
from spec.iommufd.uapi.state import Uapi, second_stage
from spec.language import NONE, Id, mirrors


@mirrors("kernel R7.13")
def ioas_of(s: Uapi, hwpt: Id[Object]) -> Id[Object]:
    """The IOAS that an HWPT translates to, by way of what it is nested over."""
    return s.objects[second_stage(s, hwpt)].parent


@mirrors("kernel R1.11", "kernel R7.13")
def reserved_refusal(s: Uapi, dev: Id[Device], ioas: Id[Object], replace: bool) -> Errno:
    """Addresses that something is mapped at, or that the user has set aside, are not reserved.

    A replacement reserves for all members, but for none if the IOAS stays the same.
    """
    if not in_use(s, ioas):
        return Errno.OK
    if not replace:
        return Errno.EADDRINUSE if s.devices[dev].reserves else Errno.OK
    current = s.devices[dev].attached
    if current != NONE and ioas == ioas_of(s, current):
        return Errno.OK
    group = s.devices[dev].group
    if any(d.group == group and d.reserves and d.attached != NONE for d in s.devices):
        return Errno.EADDRINUSE
    return Errno.OK


@mirrors("kernel R1.11")
def in_use(s: Uapi, ioas: Id[Object]) -> bool:
    """Whether an IOAS maps something, or has its addresses set aside for that."""
    return s.objects[ioas].allowed or any(x.id in s.objects[ioas].areas for x in s.sections)


@mirrors("kernel R1.4", "kernel R1.11")
def kept_free(s: Uapi, ioas: Id[Object]) -> bool:
    """Whether an IOAS keeps addresses free for a device."""
    return any(d.reserved_in == ioas for d in s.devices)


@mirrors("kernel R7.13")
def reserve(s: Uapi, dev: Id[Device], pasid: bool, hwpt: Id[Object]) -> None:
    """The IOAS below an HWPT keeps the addresses of a device free; a PASID reserves none."""
    if s.devices[dev].reserves and not pasid:
        s.devices[dev].reserved_in = ioas_of(s, hwpt)


@mirrors("kernel R7.13")
def unreserve(s: Uapi, dev: Id[Device], pasid: bool) -> None:
    """The addresses of a device are kept free no more."""
    if not pasid:
        s.devices[dev].reserved_in = NONE
