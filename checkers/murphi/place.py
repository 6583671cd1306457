"""What is known at one place of a function that is being written."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from checkers.frontend import tree as t
from checkers.murphi.identifiers import Names
from checkers.murphi.lines import Lines
from spec.language.errors import LanguageError


@dataclass
class Scope:
    """The function, the lines written so far, and what its states and locals are called.

    `run` is the run that the function works on, empty if it only reads. `leave` ends the function
    where the action is over. In a `floating` place no statement can be written before. `jumps` are
    the flags of the loop around: left, and on to its next turn.
    """

    function: t.Function
    states: tuple[str, ...]
    names: Names
    out: Lines
    run: str = ""
    leave: str = "return;"
    results: tuple[str, ...] = ()
    texts: dict[str, str] = field(default_factory=dict)
    declared: dict[str, str] = field(default_factory=dict)
    floating: bool = False
    jumps: tuple[str, str] | None = None

    def local(self, wanted: str, kind: str) -> str:
        """A new variable of the function."""
        name = self.names.give(wanted)
        self.declared[name] = kind
        return name

    def text(self, name: str) -> str:
        """What a parameter or local is called here."""
        if name not in self.texts:
            raise self.refuse(f"`{name}` is read where Murphi has it no more")
        return self.texts[name]

    def naming(self, name: str, text: str) -> Scope:
        """A floating place in which a name stands for a text."""
        return replace(self, texts={**self.texts, name: text}, floating=True)

    def refuse(self, why: str) -> LanguageError:
        """The error for a function that cannot be told in Murphi."""
        function = self.function
        return LanguageError(function.file, function.line, f"{function.name}: {why}")
