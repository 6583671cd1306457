"""Of the ways to drive a system each refuses what it has no use for."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from checkers.cli import main
from checkers.commands.driving import WAYS, drive_command
from checkers.report.row import Status

VALUES = {"variant": "no", "tree": "/", "by": "vfio", "confirm": "no", "qemu": "/no"}
"""What is said to an option that takes more than a number."""

DECIDES = ("confirm", "kernel", "qemu", "rules_only", "only_selftest", "record_file", "variant")
"""What makes a way another one; any of them may be refused where it does not."""


def spelt(parameter: click.Parameter) -> list[str]:
    """An option as it may be given."""
    if getattr(parameter, "is_flag", False):
        return [parameter.opts[0]]
    return [parameter.opts[0], VALUES.get(str(parameter.name), "1")]


PAIRS = [
    (way, parameter)
    for way, own in WAYS.items()
    for parameter in drive_command.params
    if parameter.name not in own and parameter.name not in DECIDES
]


@pytest.mark.parametrize(
    ("way", "parameter"), PAIRS, ids=lambda item: item if isinstance(item, str) else item.name
)
def test_what_a_way_has_no_use_for_is_refused(way: str, parameter: click.Parameter) -> None:
    first, *more = way.split()
    value = {"--confirm": ["no"], "--kernel": ["/no"], "--qemu": ["/no"]}[first]
    last = ["x"] if more == ["--record"] else []
    given = ["drive", "iommufd-objects", first, *value, *more, *last, *spelt(parameter)]
    done = CliRunner().invoke(main, given)
    assert done.exit_code == Status.WRONG_INPUT
    (line,) = done.stderr.splitlines()
    assert f"drive {way}: {parameter.opts[0]} is nothing to it" in line


def test_every_parameter_is_of_some_way() -> None:
    named = {name for own in WAYS.values() for name in own}
    assert named == {parameter.name for parameter in drive_command.params}
