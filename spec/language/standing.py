"""What a text is of: right by design, what a release does, what was posted, or a breach of ours."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["reference", "released", "posted", "mutant"]

ON_QEMU: Final = re.compile(r"`python -m checkers\.real\.qemu( [^`]+)`")
"""The command that runs scenarios on a QEMU, in what a finding was seen by."""


@dataclass(frozen=True)
class Seen:
    """The real system did it: which build, on which day, and the command or steps that show it."""

    build: str
    day: str
    by: str

    def __str__(self) -> str:
        return f"on {self.build}, {self.day}, by {self.by}"

    @property
    def scenarios(self) -> tuple[str, ...]:
        """Which scenarios on a QEMU show it."""
        commands = " ".join(ON_QEMU.findall(self.by))
        return tuple(word for word in commands.split() if not word.startswith("-"))


@dataclass(frozen=True)
class Standing:
    """What a variant is of: "released" by `of` or "posted" in it, or a "mutant", of nobody.

    `source` is where it was read: documents, files and functions. `today` says what there is of it
    now: "reachable", "latent" or "fixed in" a version or "never merged", and after a colon why.
    `seen` has the runs of the real system that did the same; without any it was read.
    """

    kind: Kind
    of: str = ""
    source: str = ""
    today: str = ""
    seen: tuple[Seen, ...] = ()

    def __str__(self) -> str:
        """In a few words: ``released, reproduced, reachable``."""
        if self.kind == "mutant":
            return self.kind
        known = "reproduced" if self.seen else "read"
        return ", ".join((self.kind, known, self.today.partition(":")[0]))

    @property
    def scenarios(self) -> tuple[str, ...]:
        """Which scenarios on a QEMU show it, each once."""
        return tuple(dict.fromkeys(name for seen in self.seen for name in seen.scenarios))

    def rows(self) -> dict[str, str]:
        """All there is to say, by what it is."""
        said = {
            "standing": str(self),
            "of": self.of,
            "read in": self.source,
            "reproduced": "; ".join(map(str, self.seen)),
            "today": self.today,
        }
        return {name: text for name, text in said.items() if text}


MUTANT = Standing("mutant")
"""A breach of a rule that nobody wrote: it shows that the rule can be broken."""


def released(of: str, source: str, today: str, *seen: Seen) -> Standing:
    """The standing of what a release does, or one before it did."""
    return Standing("released", of, source, today, seen)


def posted(of: str, source: str, today: str, *seen: Seen) -> Standing:
    """The standing of what a series did as it was posted."""
    return Standing("posted", of, source, today, seen)


@dataclass(frozen=True)
class Of:
    """What a machine is of, and how it is held against the real systems.

    Its reference has the structure of `design`, a release ("reference") or what was "posted", with
    as little change as the rules need, and was read in `versions`. `kernel` and `qemu` say how it
    is held against Linux and QEMU: by which command and which builds, or "not" and why.
    """

    kind: Kind
    design: str
    versions: str
    kernel: str
    qemu: str

    def rows(self) -> dict[str, str]:
        """All there is to say, by what it is."""
        return {
            "standing": self.kind,
            "design": self.design,
            "read of": self.versions,
            "held against Linux": self.kernel,
            "held against QEMU": self.qemu,
        }
