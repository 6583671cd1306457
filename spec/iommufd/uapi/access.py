"""The access of an mdev, which has no IOMMU before it: it is attached to an IOAS, to no HWPT."""

from __future__ import annotations

from spec.iommufd.calls import put_parent
from spec.iommufd.objects import Device, Errno, Kind, Object
from spec.iommufd.uapi.state import Uapi, names
from spec.language import NONE, Id, mirrors


@mirrors("kernel R0.7", "kernel R7.3")
def iommufd_access_attach(s: Uapi, dev: Id[Device], ioas: Id[Object]) -> Errno:
    """An access holds an IOAS, in place of the one that it held before."""
    if not names(s, ioas, Kind.IOAS):
        return Errno.ENOENT
    iommufd_access_detach(s, dev)
    s.objects[s.devices[dev].object].parent = ioas
    s.objects[ioas].refs += 1
    return Errno.OK


@mirrors("kernel R0.7")
def iommufd_access_detach(s: Uapi, dev: Id[Device]) -> None:
    """An access lets go of the IOAS, if it has one."""
    obj = s.devices[dev].object
    put_parent(s, obj)
    s.objects[obj].parent = NONE
