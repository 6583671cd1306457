"""Names of the specification as names in C."""

from __future__ import annotations

from typing import Final

_WORDS: Final = """
    abs accept answer asm auto begin bind bool breach break canonical case char check
    choices choose class_of close column columns connect const continue default div do
    double else empty ended enum errno exit expand expanders extern false first_vertex float
    flush for goto holds home if index inline int judge keep likely limit link linux listen
    load long main more now number_of open pack reach read references refusals register
    remove rename require reset restrict return row rules run select send set_has set_put
    share short signal signed sizeof space state static stderr stdin stdout stop stopped
    strikes struct switch tag time together true typedef typeof union unix unlink unpack
    unsigned visit void volatile while within witnesses write x
"""

RESERVED: Final = frozenset(_WORDS.split())
"""Words of C and of what the code is written against."""


def local(name: str) -> str:
    """A parameter or a local: two underscores are kept for functions and fields of tables."""
    name = name.replace("__", "_u_")
    ascii_name = "".join(c if c.isascii() else f"_u{ord(c):x}" for c in name)
    return f"{ascii_name}_" if ascii_name in RESERVED or ascii_name.endswith("_") else ascii_name


def function(name: str, serial: int) -> str:
    """A function; its number keeps it apart from others of its name."""
    return f"{local(name)}__{serial}"
