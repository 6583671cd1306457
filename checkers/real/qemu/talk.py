"""Speaks to a supervised QEMU: the guest's processor (qtest) and the monitor (QMP)."""

from __future__ import annotations

import json
import socket
from typing import Any, Final

from checkers.real.qemu.supervisor import EndedError, Supervised

LETTER: Final = {1: "b", 2: "w", 4: "l", 8: "q"}
"""What qtest calls numbers of so many bytes."""


class Lines:
    """A socket that is read line by line, while QEMU's calls are answered."""

    def __init__(self, end: socket.socket) -> None:
        self.end = end
        self.buffer = b""
        self.program: Supervised | None = None

    def say(self, line: str) -> None:
        """Send a line."""
        try:
            self.end.sendall(line.encode() + b"\n")
        except BrokenPipeError:
            assert self.program is not None
            raise EndedError(self.program.ended()) from None

    def next(self) -> str:
        """The next line."""
        assert self.program is not None
        while b"\n" not in self.buffer:
            self.program.until(self.end)
            try:
                found = self.end.recv(65536)
            except ConnectionResetError:  # it has ended before it read what was said
                found = b""
            if not found:
                raise EndedError(self.program.ended())
            self.buffer += found
        line, _, self.buffer = self.buffer.partition(b"\n")
        return line.decode()


class Processor(Lines):
    """The guest's processor: reads and writes of memory, registers and ports."""

    def ask(self, line: str) -> str:
        """Send a command; its answer. Interrupts are passed over."""
        self.say(line)
        while True:
            answer = self.next()
            if answer.startswith("IRQ"):
                continue
            if not answer.startswith("OK"):
                raise RuntimeError(f"qtest: {line}: {answer}")
            return answer[2:].strip()

    def write(self, address: int, value: int, size: int = 8) -> None:
        """Write a number of so many bytes."""
        self.ask(f"write{LETTER[size]} {address:#x} {value:#x}")

    def read(self, address: int, size: int = 8) -> int:
        """Read a number of so many bytes."""
        return int(self.ask(f"read{LETTER[size]} {address:#x}"), 16)

    def put(self, address: int, *words: int) -> None:
        """Write words of eight bytes into memory, at once."""
        text = b"".join(word.to_bytes(8, "little") for word in words).hex()
        self.ask(f"write {address:#x} {8 * len(words):#x} 0x{text}")

    def fill(self, address: int, size: int) -> None:
        """Zeros."""
        self.ask(f"memset {address:#x} {size:#x} 0")


class Monitor(Lines):
    """QMP: commands with their answers, and events."""

    def __init__(self, end: socket.socket) -> None:
        super().__init__(end)
        self.events: list[dict[str, Any]] = []
        self.greeted = False

    def greet(self) -> None:
        """Take the greeting and leave the mode of negotiation."""
        self._message()
        self.ask("qmp_capabilities")
        self.greeted = True

    def ask(self, command: str, **arguments: object) -> dict[str, Any]:
        """A command; what it returns, or RuntimeError with what QEMU says."""
        self.say(json.dumps({"execute": command, "arguments": arguments}))
        while True:
            message = self._message()
            if "error" in message:
                raise RuntimeError(str(message["error"]["desc"]))
            if "return" in message:
                found: dict[str, Any] = message["return"]
                return found

    def wait(self, name: str) -> dict[str, Any]:
        """The next event of a name, those before it are forgotten."""
        while True:
            while self.events:
                event = self.events.pop(0)
                if event["event"] == name:
                    return event
            self._message()

    def _message(self) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(self.next())
        if "event" in message:
            self.events.append(message)
        return message
