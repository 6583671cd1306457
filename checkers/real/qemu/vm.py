"""A QEMU that runs over the specification, with its guest's processor and its monitor."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Sequence
from types import TracebackType
from typing import Final

from checkers.real.qemu import kvm_check
from checkers.real.qemu.host import IOMMUFD_FILE, Host
from checkers.real.qemu.root import Binary
from checkers.real.qemu.supervisor import EndedError, Supervised, SystemCall
from checkers.real.qemu.talk import Monitor, Processor

PROCESSOR: Final = 150
MONITOR: Final = 151

COMMON: Final = (
    "-accel", "qtest", "-nodefaults", "-no-user-config", "-display", "none", "-m", "512M",
    "-chardev", f"socket,id=processor,fd={PROCESSOR}", "-qtest", "chardev:processor",
    "-qtest-log", "none",
    "-chardev", f"socket,id=monitor,fd={MONITOR}", "-object", "monitor-qmp,id=qmp,chardev=monitor",
    "-object", f"iommufd,id=iommufd0,fd={IOMMUFD_FILE}",
)  # fmt: skip


def device(dev: int, **options: object) -> dict[str, object]:
    """The properties of `vfio-pci` for a device of the host."""
    return {"driver": "vfio-pci", "id": f"dev{dev}", "fd": str(IOMMUFD_FILE + dev),
            "iommufd": "iommufd0", **options}  # fmt: skip


def spelt(properties: dict[str, object]) -> list[str]:
    """Properties as an option of the command line."""
    words = [str(properties["driver"])]
    words += [f"{name}={value}" for name, value in properties.items() if name != "driver"]
    return ["-device", ",".join(words)]


class Vm:
    """A running QEMU. `host` answers its calls; `without_kvm_check`: as `kvm_check` says."""

    def __init__(
        self, binary: Binary, host: Host, arguments: Sequence[str],
        without_kvm_check: bool = False, trace: Sequence[str] = (),
    ) -> None:
        self.binary, self.host = binary, host
        self.without_kvm_check = without_kvm_check
        self.output = tempfile.TemporaryFile()  # noqa: SIM115 (closed in `close`)
        processor, processor_there = socket.socketpair()
        monitor, monitor_there = socket.socketpair()
        self.processor, self.monitor = Processor(processor), Monitor(monitor)
        files = [os.memfd_create("host") for _ in range(host.kernel.hardware.devices + 1)]
        numbers = {file: IOMMUFD_FILE + turn for turn, file in enumerate(files)}
        numbers |= {processor_there.fileno(): PROCESSOR, monitor_there.fileno(): MONITOR}
        traces = [word for event in trace for word in ("-trace", event)]
        try:
            self.program = Supervised(
                [*binary.command, *COMMON, *arguments, *traces], self, numbers,
                binary.environment, self.output.fileno(), binary.folder,
            )  # fmt: skip
        finally:
            for file in files:
                os.close(file)
            processor_there.close()
            monitor_there.close()
        self.processor.program = self.monitor.program = self.program
        try:
            self.monitor.greet()
        except EndedError as ended:
            raise EndedError(ended.status, self.said()) from None
        finally:
            if not self.monitor.greeted:
                self.close()

    def __enter__(self) -> Vm:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def system_call(self, call: SystemCall) -> int | None:
        """Answer a call. One that QEMU makes early is when its check of KVM is passed over."""
        if call.name.startswith("signalfd") and self.without_kvm_check:
            kvm_check.pass_over(call.memory, self.binary.program)
        return self.host.system_call(call)

    def said(self) -> str:
        """What QEMU has written so far."""
        size = os.fstat(self.output.fileno()).st_size
        return os.pread(self.output.fileno(), size, 0).decode(errors="replace")

    def reset(self) -> None:
        """The guest's machine is reset."""
        self.monitor.ask("system_reset")
        self.monitor.wait("RESET")

    def close(self) -> None:
        """QEMU is ended, if it still runs."""
        self.program.kill()
        self.processor.end.close()
        self.monitor.end.close()
        self.output.close()
