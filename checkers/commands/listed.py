"""The command that lists what there is."""

from __future__ import annotations

import click
import msgspec

from checkers.listing import LISTS, listing, matching, shown


@click.command("list", short_help="List machines, bounds, actions, invariants, variants.")
@click.argument("what", type=click.Choice(LISTS))
@click.argument("names", metavar="[MACHINE]...", nargs=-1)
@click.option("--match", metavar="TEXT", default="", help="Only what has this text somewhere.")
@click.option("-v", "--verbose", is_flag=True, help="With provenance and all else that is known.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def list_command(
    what: str, names: tuple[str, ...], match: str, verbose: bool, as_json: bool
) -> None:
    """Show machines, their bounds, actions or invariants, or the variants."""
    found = matching(listing(what, names), match)
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
    elif verbose:
        for item in found:
            click.echo(item.text())
    else:
        click.echo(shown(what, found), nl=False)
