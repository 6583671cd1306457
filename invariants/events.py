"""What devices report: which id their events carry, and that requests for pages are answered."""

from __future__ import annotations

from spec.iommufd.objects import Device, Kind
from spec.iommufd.uapi.events import fault_queue_of
from spec.iommufd.uapi.refusals import needs_vdevice
from spec.iommufd.uapi.state import Uapi, viommu_of
from spec.language import NONE, NULL, Id, invariant, sometimes


@sometimes
def an_id_of_no_vdevice(s: Uapi) -> bool:
    """A device's events carry an id that its vIOMMU knows no device by any more."""
    return any(
        d.vsid != NULL
        and not any(o.kind == Kind.VDEVICE and o.virt_id == d.vsid for o in s.objects)
        for d in s.devices
    )


@invariant(witness=an_id_of_no_vdevice)
def events_carry_the_id_of_the_attach(s: Uapi, dev: Id[Device]) -> bool:
    """A device has an id for its events if its HWPT could not be attached without.

    It has none if that is not under a vIOMMU.
    """
    d = s.devices[dev]
    if d.vsid != NULL:
        return s.events and viommu_of(s, d.through) != NONE
    return not s.events or d.through == NONE or not needs_vdevice(s, d.through, False)


@sometimes
def a_request_waits(s: Uapi) -> bool:
    """A device waits for a page."""
    return any(d.waits or d.pasid_waits for d in s.devices)


@invariant(witness=a_request_waits)
def what_waits_can_be_answered(s: Uapi, dev: Id[Device]) -> bool:
    """A request for a page that waits is in the queue of what the device is on now."""
    d = s.devices[dev]
    if not s.page_requests:
        return not d.waits and not d.pasid_waits
    return (not d.waits or fault_queue_of(s, dev, False) != NONE) and (
        not d.pasid_waits or fault_queue_of(s, dev, True) != NONE
    )
