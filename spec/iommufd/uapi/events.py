"""What devices report: events to the queue of a vIOMMU, and requests for pages to a fault queue."""

from __future__ import annotations

from spec.iommufd.objects import Device, Errno, Kind, Object
from spec.iommufd.uapi.state import Uapi, group_hwpt, ioctl, viommu_of
from spec.language import NONE, NULL, Id, mirrors, require


@mirrors("kernel R3.3", "kernel R7.18")
def report_event(s: Uapi, dev: Id[Device]) -> Errno:
    """A device's hardware has an event, which the user reads at once if the queue's file is open.

    It is lost if the device has no guest's id, or its vIOMMU no queue.
    """
    ioctl(s)
    require(s.events)
    viommu = viommu_of(s, s.devices[dev].through)
    if s.devices[dev].vsid == NULL:
        return Errno.EOPNOTSUPP
    if not any(o.kind == Kind.EVENTQ and o.parent == viommu for o in s.objects):
        return Errno.EOPNOTSUPP
    return Errno.OK


@mirrors("kernel R4.5")
def fill_atc(s: Uapi, dev: Id[Device]) -> None:
    """A device that its vIOMMU knows makes requests, and keeps their translations in its ATC."""
    ioctl(s)
    require(s.events and s.devices[dev].vsid != NULL and not s.devices[dev].cached)
    s.devices[dev].cached = True


@mirrors("kernel R2.6")
def fault_queue_of(s: Uapi, dev: Id[Device], pasid: bool) -> Id[Object]:
    """The queue that requests of a device, or with its PASID, for pages go to, if any."""
    hwpt = group_hwpt(s, dev, pasid)
    return s.objects[hwpt].fault if hwpt != NONE else NONE


@mirrors("kernel R7.14")
def page_request(s: Uapi, dev: Id[Device], pasid: bool) -> None:
    """A device asks for a page, which goes to a queue; one request at a time."""
    ioctl(s)
    require(s.page_requests and s.devices[dev].can_pri)
    require(s.devices[dev].can_pasid or not pasid)
    require(not s.devices[dev].waits and not s.devices[dev].pasid_waits)
    require(fault_queue_of(s, dev, pasid) != NONE)
    if pasid:
        s.devices[dev].pasid_waits = True
    else:
        s.devices[dev].waits = True


@mirrors("kernel R7.14")
def page_response(s: Uapi, dev: Id[Device], pasid: bool) -> None:
    """The user reads the request from the file of the queue, and writes the answer."""
    ioctl(s)
    require(s.devices[dev].pasid_waits if pasid else s.devices[dev].waits)
    require(s.objects[fault_queue_of(s, dev, pasid)].open)
    if pasid:
        s.devices[dev].pasid_waits = False
    else:
        s.devices[dev].waits = False
