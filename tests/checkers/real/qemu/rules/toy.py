"""A toy of a vIOMMU on the specification's kernel: correct, or with one of some defects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from checkers.real.qemu.called import Called
from checkers.real.qemu.refusing import Refuses, nothing
from checkers.real.qemu.rules.acts import Act
from checkers.real.qemu.rules.guest_run import Run
from checkers.real.qemu.rules.vtd_run import PLAN
from checkers.real.qemu.spec_kernel import SpecKernel
from checkers.real.qemu.supervisor import EndedError
from spec.iommufd.objects import Kind


@dataclass
class ToyHost:
    """The calls of the toy, each of which may be refused."""

    kernel: SpecKernel
    refuses: Refuses = nothing
    calls: list[Called] = field(default_factory=list)

    def call(self, name: str, answer: Any) -> dict[str, int] | None:
        error = self.refuses(name, 1, {})
        injected, made = bool(error), {}
        if not injected:
            came = answer()
            error, made = came if isinstance(came, tuple) else (came, {})
        self.calls.append(Called(name, "", 1, {}, error, injected=injected))
        return None if error else made


class ToyRun(Run):
    """One device; the guest's table is `wanted`, and in force when it is invalidated."""

    def __init__(self, defect: str) -> None:
        self.host = host = ToyHost(SpecKernel(PLAN.hardware))
        vm = SimpleNamespace(
            host=host, close=lambda: None, said=lambda: "ERROR:toy.c:1:gives_up: no way\n",
            monitor=SimpleNamespace(say=lambda line: None),
            program=SimpleNamespace(ended=lambda: 0),
        )  # fmt: skip
        super().__init__(SimpleNamespace(vm=vm, places={1: (1, 0)}, unplug=self.unplug), 1)
        self.defect = defect
        self.wanted = self.cached = self.nested = 0
        self.stale: set[int] = set()
        made = host.kernel
        _, device = made.bind(1)
        _, ioas = made.ioas_alloc()
        self.device = device["out_devid"]
        self.ioas = ioas["out_ioas_id"]
        _, parent = made.hwpt_alloc(self.device, self.ioas, 1, 0, ())
        self.parent = parent["out_hwpt_id"]
        made.attach(1, self.parent, 0)

    def choices(self) -> Mapping[str, Sequence[tuple[int, ...]]]:
        return {"entry": [(table,) for table in (1, 2)], "invalidate": [()], "root": [()]}

    def do(self, act: Act) -> bool:
        if act.kind == "root" and self.defect == "aborts" and self.nested:
            raise EndedError(-6)
        if act.kind == "entry":
            self.stale.add(self.wanted)
            self.wanted = act.given[0]
        elif act.kind == "invalidate":
            told = not self.bind()
            if told and self.defect != "silent":
                return self.defect != "retries"
            self.stale.clear()
        return False

    def repeat(self, act: Act) -> None:
        self.do(act)

    def bind(self) -> bool:
        if self.cached == self.wanted:
            return True
        if self.defect == "silent":
            self.cached = self.wanted
        kernel, old = self.host.kernel, self.nested
        made = self.host.call("HWPT_ALLOC", lambda: kernel.hwpt_alloc(
            self.device, self.parent, 0, 0, (self.wanted,)))  # fmt: skip
        if made is None:
            return False
        new = made["out_hwpt_id"]
        if self.host.call("ATTACH_PT", lambda: kernel.attach(1, new, 0)) is None:
            kernel.destroy(new)
            return False
        if old and self.defect != "leaks":
            kernel.destroy(old)
        self.cached, self.nested = self.wanted, new
        return True

    def unplug(self, dev: int) -> None:
        kernel = self.host.kernel
        self.guest.places.pop(dev)
        kernel.detach(dev, 0)
        for obj in (self.nested, self.parent, self.ioas):
            if obj and kernel.kind(obj) is not Kind.FREE:
                kernel.destroy(obj)
        kernel.unbind(dev)

    def may(self, dev: int, pasid: int) -> frozenset[str]:
        return frozenset(f"table {table}" for table in (*self.stale, self.wanted))

    def due(self, dev: int, pasid: int) -> str:
        return f"table {self.wanted}"

    def does(self, obj: int) -> str:
        nested = self.kernel.kind(obj) is Kind.HWPT_NESTED
        return f"table {self.kernel.data[obj] if nested else 0}"

    def is_in_use(self, obj: Any) -> bool:
        return bool(obj.refs > 1)
