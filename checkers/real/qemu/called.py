"""A host call as it was made and answered."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from checkers.trace.format import Call

ADDRESSES: Final = frozenset(("iova", "length", "offset", "out_iova_alignment"))
HIDDEN: Final = frozenset(
    ("size", "argsz", "user_va", "data_uptr", "allowed_iovas", "token_uuid_ptr", "data", "val64")
)
"""Sizes and pointers, which say nothing."""

NAMES: Final = {**errno.errorcode, errno.EOPNOTSUPP: "EOPNOTSUPP"}


@dataclass(frozen=True)
class Called:
    """One ioctl, or the close of a file: what was asked and answered, and with which errno.

    `device` is the number of the device whose file it was, 0 if of none. `values` has the fields of
    the request as they are after it, `data` what it pointed to: the guest's table, the first word
    of a stream table entry, or of each invalidation; `also` says that, and what ids name, in words.
    `injected`: the errno is not the specification's.
    """

    name: str
    event: str
    device: int
    values: Mapping[str, int]
    error: int
    data: tuple[int, ...] = ()
    also: Mapping[str, str] = field(default_factory=dict)
    injected: bool = False

    @property
    def answer(self) -> str:
        """The errno by its name, 0 if there is none."""
        return NAMES.get(self.error, "0")

    def text(self) -> str:
        """One line, with the fields in the order of the uAPI."""
        words = [self.name]
        words += [f"{name}={_spelt(name, value)}" for name, value in self._shown().items()]
        words += [f"{name}={value}" for name, value in self.also.items()]
        if self.device:
            words.append(f"dev{self.device}")
        return " ".join(words) + f" -> {self.answer}" + ("!" if self.injected else "")

    def traced(self) -> Call:
        """The same as a trace has it."""
        return Call(
            name=self.name, arguments={**self._shown()}, result=[self.answer], event=self.text(),
            injected=self.injected,
        )  # fmt: skip

    def _shown(self) -> dict[str, int]:
        return {name: value for name, value in self.values.items() if name not in HIDDEN}


def _spelt(name: str, value: int) -> str:
    return hex(value) if name in ADDRESSES else str(value)
