"""Finds machines, variants and bounds by what a user writes: a name, a file, ``KEY=N``."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FunctionType

from checkers import userfiles
from checkers.frontend.whole import read
from checkers.userfiles import InputError
from spec.language import Bounds, LanguageError, Machine, Program, Variant, build, overriding


@dataclass(frozen=True)
class Subject:
    """A program and the words by which it was asked for, so that a trace can ask for it again.

    Without `bounds` they are the usual ones, and an engine that need not exhaust takes larger ones.
    """

    machine: str
    variant: str | None
    program: Program
    bounds: str = ""

    @property
    def named(self) -> str:
        """The machine, and the variant if it is one, by their own names."""
        name, variant = self.program.machine.name, self.program.variant
        return f"{name}/{variant.name}" if variant else name


def registry() -> Mapping[str, Machine]:
    """The machines of the specification by name, with their invariants."""
    from invariants import complete
    from spec.machines import MACHINES

    return {name: complete(machine) for name, machine in MACHINES.items()}


def variants() -> Mapping[str, Variant]:
    """The other designs, by name."""
    from spec.variants import VARIANTS

    return VARIANTS


def choose(name: str, known: Collection[str], what: str) -> str:
    """`name` if it is known; else an `InputError` that names the nearest ones, or all."""
    if name in known:
        return name
    near = difflib.get_close_matches(name, known, n=3)
    hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(sorted(known))}"
    raise InputError(f"no {what} is called {name!r}; {hint}")


def machine(name: str) -> Machine:
    """The machine of that name, or the one that ``FILE.py`` or ``FILE.py:NAME`` declares."""
    file, _, attribute = name.partition(".py:")
    if not attribute and not name.endswith(".py"):
        known = registry()
        return known[choose(name, known, "machine")]
    path = f"{file}.py" if attribute else name
    module = userfiles.module(path)
    found = {key: item for key, item in vars(module).items() if isinstance(item, Machine)}
    if attribute:
        return found[choose(attribute, found, f"machine in {path}")]
    if len(found) == 1:
        return next(iter(found.values()))
    if not found:
        raise InputError(f"{path}: declares no Machine at its top level")
    names = ", ".join(f"{path}:{key}" for key in found)
    raise InputError(f"{path}: declares several machines; say which: {names}")


def variant(name: str, of: Machine | None = None) -> Variant:
    """The variant of that name, or the one that a file declares, as one of the machine `of`.

    A file has a `VARIANT`, or just functions declared with `overrides`; the latter needs `of`.
    """
    if name.endswith(".py"):
        found = _variant_of_file(name, of)
    else:
        known = variants()
        found = known[choose(name, known, "variant")]
    if of is not None and found.machine != of.name:
        raise InputError(f"variant {name} is one of machine {found.machine!r}, not of {of.name!r}")
    return found


def _variant_of_file(path: str, of: Machine | None) -> Variant:
    module = userfiles.module(path)
    declared = getattr(module, "VARIANT", None)
    if isinstance(declared, Variant):
        return declared
    functions = [
        item
        for item in vars(module).values()
        if isinstance(item, FunctionType)
        and item.__module__ == module.__name__
        and hasattr(item, "__overrides__")
    ]
    if not functions:
        raise InputError(f"{path}: has no VARIANT and no function declared with @overrides")
    if of is None:
        raise InputError(f"{path}: has no VARIANT; say which machine its overrides are for")
    try:
        table = overriding(*functions)
    except LanguageError as error:
        raise InputError(str(error)) from error
    return Variant(Path(path).stem.replace("_", "-"), of.name, table, bounds="")


def bounds(text: str, of: Machine, usual: str = "") -> tuple[str, dict[str, int]]:
    """The bounds that ``NAME``, ``KEY=N,...`` or ``NAME,KEY=N,...`` stand for: a name, changes.

    Without a name they are the `usual` ones, else "small", else the machine's first.
    """
    default = "small" if "small" in of.bounds else next(iter(of.bounds))
    name, values = usual or default, dict[str, int]()
    if not text:
        return choose(name, of.bounds, f"bounds of machine {of.name}"), values
    for index, word in enumerate(text.split(",")):
        key, equals, number = (part.strip() for part in word.partition("="))
        if equals:
            known = sorted({key for item in of.bounds.values() for key in item.values})
            choose(key, known, f"bound of machine {of.name}")
            if not number.isascii() or not number.isdigit() or len(number) > 3 or int(number) > 255:
                raise InputError(f"bounds {text!r}: {key} is 0 to 255, not {number!r}")
            values[key] = int(number)
        elif index == 0:
            name = choose(key, of.bounds, f"bounds of machine {of.name}")
        else:
            raise InputError(f"bounds {text!r}: {word!r} is not KEY=N; a name comes first")
    return name, values


def program(of: Machine, bounds_text: str = "", of_variant: Variant | None = None) -> Program:
    """The machine linked with a variant; without bounds, with the variant's own or "small"."""
    given, values = bounds(bounds_text, of, of_variant.bounds if of_variant else "")
    return readable(link(of, given, of_variant, values))


LARGE = "large"
"""The bounds, of a machine that has them, of an engine that looks at random."""


def larger(subject: Subject) -> Program:
    """The program of an engine that need not exhaust: larger, unless the user gave bounds."""
    program = subject.program
    if subject.bounds or LARGE not in program.machine.bounds:
        return program
    return readable(link(program.machine, LARGE, program.variant))


def link(
    of: Machine,
    given: str | Bounds,
    of_variant: Variant | None = None,
    values: Mapping[str, int] | None = None,
) -> Program:
    """`build`, with a declaration outside the language reported as wrong input."""
    try:
        return build(of, given, of_variant, values)
    except LanguageError as error:
        raise InputError(str(error)) from error
    except KeyError as error:
        raise InputError(f"machine {of.name}: the bounds have no value {error}") from error
    except (ValueError, OverflowError, IndexError) as error:
        raise InputError(f"machine {of.name}: these bounds make no sense: {error}") from error


def readable(found: Program) -> Program:
    """A program of which the front end has read all; what it does not have is wrong input."""
    try:
        read(found)
    except LanguageError as error:
        raise InputError(str(error)) from error
    return found
