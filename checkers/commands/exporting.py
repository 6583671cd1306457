"""The command that writes a machine for another model checker."""

from __future__ import annotations

from collections.abc import Callable

import click

from checkers.commands.choosing import subjects
from checkers.murphi import murphi
from checkers.output import write
from checkers.userfiles import InputError
from spec.language import LanguageError, Program

EXPORTS: dict[str, Callable[[Program], str]] = {"murphi": murphi}


@click.command("export")
@click.argument("name", metavar="MACHINE")
@click.option("--murphi", "form", flag_value="murphi", help="As a Murphi model, for rumur.")
@click.option("--bounds", metavar="NAME|KEY=N,...", default="")
@click.option("--variant", metavar="NAME|FILE.py")
@click.option("-o", "--output", "file", metavar="FILE", default="-", help="- is stdout.")
def export_command(
    name: str, form: str | None, bounds: str, variant: str | None, file: str
) -> None:
    """Write a machine as the model of another model checker."""
    if form is None:
        raise InputError(f"export: as what? say --{', --'.join(EXPORTS)}")
    (subject,) = subjects([name], variant, [bounds] if bounds else [])
    try:
        write(file, EXPORTS[form](subject.program))
    except LanguageError as error:
        raise InputError(str(error)) from error
