"""Compares the explorers on random machines: ``python -m tests.random --seed 1 --count 100``."""

from __future__ import annotations

import ast
import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from tests.random.comparing import compare
from tests.random.drawing import SMALL, Size, draw, opened
from tests.random.minimising import minimised

KEPT = Path(__file__).with_name("kept")


def differences(text: str, size: Size) -> list[str]:
    """What is said of the machine of a text, and its variant, that is not so."""
    with opened(text, size) as drawn:
        return [line for program, facts in drawn for line in compare(program, facts).differences]


def keep(text: str, size: Size, known: str) -> Path:
    """Minimise a text that shows a difference of this sort, and keep it."""

    def shows(smaller: str) -> bool:
        try:
            return any(_sort(line) == known for line in differences(smaller, size))
        except Exception:  # whatever is no machine any more
            return False

    small = minimised(text, shows)
    path = KEPT / f"machine_{hashlib.sha256(small.encode()).hexdigest()[:8]}.py"
    path.write_text(small, encoding="utf-8")
    return path


def _sort(line: str) -> str:
    """What a difference is about: who differs, and the words that are no numbers."""
    return " ".join(word for word in line.split()[:4] if word.isalpha())


@click.command()
@click.option("--seed", default=0, show_default=True, help="The first seed.")
@click.option("--count", default=100, show_default=True, help="How many seeds.")
@click.option("--states", default=SMALL.most, show_default=True, help="The most states.")
@click.option("--show", is_flag=True, help="Print the text of the first seed only.")
def main(seed: int, count: int, states: int, show: bool) -> None:
    """Compare what is said of random machines; keep, minimised, those that are told differently."""
    size = Size(SMALL.least, states, 20 * states)
    if show:
        with draw(seed, size) as drawn:
            click.echo(ast.unparse(ast.parse(drawn.text)))
        return
    bad = 0
    for number in range(seed, seed + count):
        for line in _one(number, size):
            bad += 1
            click.echo(line)
    click.echo(f"{count} machines, from seed {seed}: {bad} differ")
    sys.exit(bad > 0)


def _one(number: int, size: Size) -> Iterator[str]:
    with draw(number, size) as drawn:
        text = drawn.text
        found = [line for item in drawn for line in compare(*item).differences]
    if found:
        yield f"seed {number}: {found[0]}\n    kept as {keep(text, size, _sort(found[0]))}"


if __name__ == "__main__":
    main()
