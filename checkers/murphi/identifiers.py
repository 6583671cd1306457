"""Identifiers of a Murphi model: none is a keyword, none has two meanings in one place."""

from __future__ import annotations

from typing import Final

_KEYWORDS: Final = """
alias aliasrule array assert assume begin boolean by case choose clear const cover do else elsif end
endalias endclear endexists endfor endforall endfunction endif endprocedure endrecord endrule
endruleset endstartstate endswitch endwhile enum error exists false for forall from function if in
interleaved invariant isundefined liveness multiset multisetadd multisetcount multisetremove of
ofoperator process procedure program property put record return rule ruleset scalarset startstate
switch then to traceuntil true type undefine union var while
"""

KEYWORDS: Final = frozenset(_KEYWORDS.split())


class Names:
    """The names taken in one place; a place inside another has the names of that one too."""

    def __init__(self, outer: Names | None = None) -> None:
        self._outer = outer
        self._taken: set[str] = set()

    def _is_taken(self, name: str) -> bool:
        inside = name.lower() in self._taken or name.lower() in KEYWORDS
        return inside or (self._outer is not None and self._outer._is_taken(name))

    def give(self, wanted: str) -> str:
        """`wanted`, or with a number behind it if that is taken; it is taken from now on.

        An identifier begins with a letter: `_helper` is `helper`, and what is only `_` is `unused`.
        """
        wanted = wanted.lstrip("_") or "unused"
        name, number = wanted, 2
        while self._is_taken(name):
            name, number = f"{wanted}_{number}", number + 1
        self._taken.add(name.lower())
        return name
