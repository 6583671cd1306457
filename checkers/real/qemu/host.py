"""Answers the calls that a supervised QEMU makes of its files, and remembers them."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from typing import Final

from checkers.real.qemu import unmodelled
from checkers.real.qemu.called import Called
from checkers.real.qemu.device_file import DeviceFile
from checkers.real.qemu.refusing import Refuses, nothing
from checkers.real.qemu.spec_kernel import SpecKernel
from checkers.real.qemu.structures import DATA, IOMMUFD, VFIO, Request
from checkers.real.qemu.supervisor import LET, SystemCall
from spec.iommufd.uapi.state import Driver

IOMMUFD_FILE: Final = 200
QUEUES: Final = 240
"""The first number of the files of event queues; devices' are between, dev1's the first."""

ATTACH_PASID: Final = 1
IN_TYPE: Final = 1
ENTRY: Final = {"vtd_s1": "pgtbl_addr", "arm_ste": "ste"}

Answer = tuple[int, Mapping[str, int]]

class Host:
    """The kernel behind a QEMU. `refuses` is asked of each call first; `calls` are all so far."""

    def __init__(self, kernel: SpecKernel) -> None:
        self.kernel = kernel
        self.refuses: Refuses = nothing
        self.calls: list[Called] = []
        self.ranges = unmodelled.RANGES
        self.events: dict[int, int] = {}
        self._queue_files: dict[int, int] = {}
        self._devices = {row: DeviceFile() for row in range(1, kernel.hardware.devices + 1)}

    def system_call(self, call: SystemCall) -> int | None:
        """Answer a system call: the rest of this class, by what it is."""
        device = call.file - IOMMUFD_FILE if call.file - IOMMUFD_FILE in self._devices else 0
        if call.name.startswith("signalfd"):
            return LET
        if call.name == "close":
            return self._close(call.file, device)
        if call.name in ("pread64", "pwrite64"):
            return self._transfer(call, device)
        table = VFIO if device else IOMMUFD if call.file == IOMMUFD_FILE else {}
        request = table.get(call.arguments[1] & 0xFFFF)
        if request is None:
            return -errno.ENOTTY
        return self._ioctl(call, request, device)

    def post(self, queue: int, event: tuple[int, int, int, int], sequence: int) -> None:
        """The host's SMMU has an event for a guest."""
        values = dict(zip(("evt0", "evt1", "evt2", "evt3"), event, strict=True))
        os.write(self.events[queue], DATA["arm_event"].written({"sequence": sequence, **values}))

    def _ioctl(self, call: SystemCall, request: Request, device: int) -> int:
        address = call.arguments[2]
        size = request.layout.size
        if size:
            size = min(size, int.from_bytes(call.memory.read(address, 4), "little"))
        values = request.layout.read(call.memory.read(address, size))
        data, also = self._pointed(call, request.name, values)
        error = self.refuses(request.name, device, values)
        injected = bool(error)
        answer: Mapping[str, int] = {"entry_num": 0} if "entry_num" in values else {}
        if not injected:
            error, answer = self._answer(call, request.name, device, values, data)
        if answer:
            values = {**values, **answer}
            call.memory.write(address, request.layout.written(values)[:size])
        self.calls.append(
            Called(request.name, request.event, device, values, error, data, also, injected)
        )
        return -error

    def _pointed(
        self, call: SystemCall, name: str, v: Mapping[str, int]
    ) -> tuple[tuple[int, ...], Mapping[str, str]]:
        """What a request points to: in numbers, and with what its ids name in words."""
        if name == "DESTROY":
            return (), {"kind": self.kernel.kind(v["id"]).name}
        if name == "HWPT_ALLOC" and v["data_type"]:
            form = "vtd_s1" if v["data_type"] == unmodelled.VTD else "arm_ste"
            found = DATA[form].read(call.memory.read(v["data_uptr"], v["data_len"]))
            return (found[ENTRY[form]],), {"data": unmodelled.spelt(form, found)}
        if name == "HWPT_INVALIDATE":
            size = v["entry_len"]
            text = call.memory.read(v["data_uptr"], size * v["entry_num"])
            entries = [text[n : n + size] for n in range(0, len(text), size or 1)]
            said = ",".join(entry.hex() for entry in entries)
            words = {"data": said, "kind": self.kernel.kind(v["hwpt_id"]).name}
            return tuple(int.from_bytes(entry[:8], "little") for entry in entries), words
        return (), {}

    def _answer(
        self, call: SystemCall, name: str, device: int, values: Mapping[str, int],
        data: tuple[int, ...],
    ) -> Answer:
        if not device:
            return self._of_iommufd(call, name, values, data)
        if name != "BIND_IOMMUFD" and not self.kernel.bound(device):
            return errno.EINVAL, {}
        return self._of_device(name, device, values)

    def _of_iommufd(
        self, call: SystemCall, name: str, v: Mapping[str, int], data: tuple[int, ...]
    ) -> Answer:
        kernel = self.kernel
        match name:
            case "DESTROY":
                return kernel.destroy(v["id"]), {}
            case "IOAS_ALLOC":
                return kernel.ioas_alloc()
            case "IOAS_MAP" | "IOAS_MAP_FILE":
                return kernel.map(v["ioas_id"], v["iova"], v["length"], v["flags"]), {}
            case "IOAS_UNMAP":
                return kernel.unmap(v["ioas_id"], v["iova"], v["length"])
            case "IOAS_IOVA_RANGES":
                return self._ranges(call, v)
            case "HWPT_ALLOC":
                return kernel.hwpt_alloc(v["dev_id"], v["pt_id"], v["flags"], v["fault_id"], data)
            case "GET_HW_INFO":
                return self._hw_info(call, v)
            case "HWPT_INVALIDATE":
                return kernel.invalidate(v["hwpt_id"], data)
            case "VIOMMU_ALLOC":
                return kernel.viommu_alloc(v["dev_id"], v["hwpt_id"])
            case "VDEVICE_ALLOC":
                return kernel.vdevice_alloc(v["dev_id"], v["viommu_id"], v["virt_id"])
            case "VEVENTQ_ALLOC":
                return self._event_queue(call, v["viommu_id"])
            case "CHANGE_PROCESS" | "HWPT_SET_DIRTY_TRACKING" | "HWPT_GET_DIRTY_BITMAP":
                return 0, {}
        return errno.ENOTTY, {}

    def _of_device(self, name: str, device: int, v: Mapping[str, int]) -> Answer:
        kernel, file = self.kernel, self._devices[device]
        match name:
            case "BIND_IOMMUFD":
                return kernel.bind(device)
            case "ATTACH_PT":
                pasid = v["pasid"] if v["flags"] & ATTACH_PASID else 0
                return kernel.attach(device, v["pt_id"], pasid)
            case "DETACH_PT":
                return kernel.detach(device, v["pasid"] if v["flags"] & ATTACH_PASID else 0), {}
            case "GET_INFO":
                return 0, file.info()
            case "GET_REGION_INFO":
                return _or_invalid(file.region(v["index"]))
            case "GET_IRQ_INFO":
                return _or_invalid(file.interrupt(v["index"]))
            case "SET_IRQS" | "RESET":
                return 0, {}
        return errno.ENOTTY, {}

    def _hw_info(self, call: SystemCall, v: Mapping[str, int]) -> Answer:
        kind = v["out_data_type"] if v["flags"] & IN_TYPE else 0
        error, answer, content = self.kernel.hw_info(v["dev_id"], kind)
        if not error and v["data_len"]:
            call.memory.write(v["data_uptr"], content.ljust(v["data_len"], b"\0")[: v["data_len"]])
        return error, answer

    def _ranges(self, call: SystemCall, v: Mapping[str, int]) -> Answer:
        ranges = self.ranges
        answer = {"num_iovas": len(ranges), "out_iova_alignment": unmodelled.ALIGNMENT}
        if v["num_iovas"] < len(ranges):
            return errno.EMSGSIZE, answer
        layout = DATA["iova_range"]
        text = b"".join(layout.written({"start": low, "last": high}) for low, high in ranges)
        call.memory.write(v["allowed_iovas"], text)
        return 0, answer

    def _event_queue(self, call: SystemCall, viommu: int) -> Answer:
        """A queue whose file is the end of a pipe."""
        error, made = self.kernel.veventq_alloc(viommu)
        if error:
            return error, made
        queue = made["out_veventq_id"]
        number = min(set(range(QUEUES, QUEUES + 20)) - set(self._queue_files))
        reads, self.events[queue] = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        call.give(reads, number)
        os.close(reads)
        self._queue_files[number] = queue
        return 0, {**made, "out_veventq_fd": number}

    def _close(self, file: int, device: int) -> int | None:
        """A device whose file is closed is unbound; the file stays, as if opened again at once."""
        if device:
            if self.kernel.bound(device):
                self.kernel.unbind(device)
                self._devices[device] = DeviceFile()
                self._closed(device, {})
            return 0
        queue = self._queue_files.pop(file, 0)
        if queue:
            self.kernel.close_queue(queue)
            os.close(self.events.pop(queue))
            self._closed(0, {"queue": queue})
        return LET

    def _closed(self, device: int, values: Mapping[str, int]) -> None:
        self.calls.append(Called("close", "", device, values, 0))

    def _transfer(self, call: SystemCall, device: int) -> int:
        _, address, size, place, *_ = call.arguments
        if not device or not self.kernel.bound(device):
            return -errno.EINVAL
        file = self._devices[device]
        if call.name == "pread64":
            call.memory.write(address, file.read(place, size))
        else:
            file.write(place, call.memory.read(address, size))
        return size

    def path(self, device: int) -> str:
        """What a device's requests go through: `blocked`, `stage 2`, or what an entry does."""
        through = int(self.kernel.view().devices[device].through)
        data = self.kernel.data.get(through)
        if not through:
            return "blocked"
        if self.kernel.kind(through).name == "HWPT_PAGING" or data is None:
            return "stage 2"
        if self.kernel.hardware.driver != Driver.ARM:
            return f"table {data:#x}"
        return unmodelled.path_of(data)


def _or_invalid(answer: Mapping[str, int] | None) -> Answer:
    return (errno.EINVAL, {}) if answer is None else (0, answer)
