"""What an IOAS maps, where devices may reserve addresses and hardware queues pin sections."""

from __future__ import annotations

from spec.iommufd.calls import iommufd_backend_map_dma, iommufd_backend_unmap_dma
from spec.iommufd.objects import Errno, Kind, Object, clear_areas
from spec.iommufd.uapi.hw_queue import is_pinned
from spec.iommufd.uapi.reserved import kept_free
from spec.iommufd.uapi.state import Uapi, ioctl, names
from spec.language import NONE, Fault, Id, mirrors, require
from spec.memory.section import Section


def maps(s: Uapi) -> None:
    """The user maps memory only where it matters: a device reserves some, or queues are in it."""
    require(s.hw_queues or s.rare or any(d.reserves for d in s.devices))


@mirrors("kernel R1.4", "kernel R1.11")
def map_refusal(s: Uapi, ioas: Id[Object]) -> Errno:
    """Nothing is mapped where an IOAS keeps addresses free."""
    return Errno.EINVAL if kept_free(s, ioas) else Errno.OK


@mirrors("kernel R1.2", "kernel R1.4")
def ioas_map(s: Uapi, ioas: Id[Object], section: Id[Section], fault: Fault) -> Errno:
    """IOMMU_IOAS_MAP at a fixed address, one that devices reserve."""
    ioctl(s)
    maps(s)
    if names(s, ioas, Kind.IOAS):
        err = map_refusal(s, ioas)
        if err != Errno.OK:
            return err
    return iommufd_backend_map_dma(s, ioas, section, fault)


@mirrors("kernel R1.9", "kernel R1.10")
def ioas_unmap(s: Uapi, ioas: Id[Object], section: Id[Section], fault: Fault) -> Errno:
    """IOMMU_IOAS_UNMAP of it."""
    ioctl(s)
    maps(s)
    if names(s, ioas, Kind.IOAS) and is_pinned(s, ioas, section):
        return Errno.EBUSY
    return iommufd_backend_unmap_dma(s, ioas, section, fault)


@mirrors("kernel R1.5")
def ioas_map_anywhere(s: Uapi, ioas: Id[Object]) -> Errno:
    """IOMMU_IOAS_MAP at an address that the kernel finds, from which it is unmapped at once."""
    ioctl(s)
    require(s.rare)
    if not names(s, ioas, Kind.IOAS):
        return Errno.ENOENT
    return Errno.ENOSPC if s.reserves_all and kept_free(s, ioas) else Errno.OK


@mirrors("kernel R1.12")
def ioas_copy(
    s: Uapi, source: Id[Object], section: Id[Section], ioas: Id[Object], at: Id[Section]
) -> Errno:
    """IOMMU_IOAS_COPY: what one IOAS maps is mapped at another address too, or by another IOAS."""
    ioctl(s)
    require(s.rare)
    if not names(s, source, Kind.IOAS) or section not in s.objects[source].areas:
        return Errno.ENOENT
    if not names(s, ioas, Kind.IOAS):
        return Errno.ENOENT
    err = map_refusal(s, ioas)
    if err != Errno.OK:
        return err
    if at in s.objects[ioas].areas:
        return Errno.EEXIST
    s.objects[ioas].areas.add(at)
    return Errno.OK


@mirrors("kernel R1.9")
def ioas_unmap_all(s: Uapi, ioas: Id[Object]) -> Errno:
    """IOMMU_IOAS_UNMAP of all addresses, of which none need be mapped."""
    ioctl(s)
    require(s.rare)
    if not names(s, ioas, Kind.IOAS):
        return Errno.ENOENT
    require(not any(o.parent == ioas and o.pinned != NONE for o in s.objects))
    clear_areas(s, ioas)
    return Errno.OK


@mirrors("kernel R1.11")
def ioas_allow_iovas(s: Uapi, ioas: Id[Object], any_address: bool) -> Errno:
    """IOMMU_IOAS_ALLOW_IOVAS: only these addresses, which devices reserve, or again any."""
    ioctl(s)
    require(any(d.reserves for d in s.devices))
    if not names(s, ioas, Kind.IOAS):
        return Errno.ENOENT
    if not any_address and kept_free(s, ioas):
        return Errno.EADDRINUSE
    s.objects[ioas].allowed = not any_address
    return Errno.OK
