"""Lines of Murphi with their indentation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager


class Lines:
    """Collects lines; `block` indents what is written inside it."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._depth = 0

    def line(self, text: str = "") -> None:
        """One line at the present depth."""
        self._lines.append("  " * self._depth + text if text else "")

    def lines(self, texts: Iterable[str]) -> None:
        """Several lines at the present depth."""
        for text in texts:
            self.line(text)

    def cells(self, texts: Iterable[str]) -> None:
        """Declarations or statements, a semicolon behind each."""
        self.lines(f"{text};" for text in texts)

    def turn(self, text: str) -> None:
        """A line between two bodies of one block."""
        self._depth -= 1
        self.line(text)
        self._depth += 1

    def inside(self, other: Lines) -> None:
        """The lines of another, below the present depth."""
        self.lines(other._lines)

    @contextmanager
    def block(self, head: str, foot: str) -> Iterator[None]:
        """A statement or declaration with a body."""
        self.line(head)
        self._depth += 1
        yield
        self._depth -= 1
        self.line(foot)

    def text(self) -> str:
        """All lines."""
        return "".join(f"{line}\n" for line in self._lines)
