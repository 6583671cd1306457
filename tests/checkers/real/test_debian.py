"""Where packages come from."""

from __future__ import annotations

import pytest

from checkers.real.debian import mirror
from checkers.userfiles import InputError


@pytest.mark.parametrize(
    "text",
    [
        "deb http://mirror.example/debian trixie main\n",
        "# a comment\ndeb [signed-by=/x y=z] http://mirror.example/debian trixie main\n",
        "Types: deb\nURIs: http://mirror.example/debian\nSuites: trixie\n",
    ],
)
def test_the_mirror_is_the_machines_own(text: str) -> None:
    other = "deb http://elsewhere.example/tools stable main\n"
    assert mirror([other, text]) == "http://mirror.example/debian"


def test_a_machine_without_one_is_told() -> None:
    with pytest.raises(InputError, match="give --source DIR or --qemu PATH"):
        mirror(["deb http://security.example/debian-security trixie main\n"])
