"""How a brief trace names things: a step in a few words, a row by its kind and what it holds."""

from __future__ import annotations

from checkers.cells import Value, first_value, raw_value, spelled
from spec.language.control import Crash
from spec.language.layout import BoolT, EnumT, IdT
from spec.language.program import Linked, Parameter, Program
from spec.language.types import Id, Record


def step_in_brief(program: Program, rule: Linked, values: tuple[int, ...], state: bytes) -> str:
    """An action and its parameters in a few words, none left out but nulls: ``plug dev1``."""
    words = [
        word
        for parameter, value in zip(rule.parameters, values, strict=True)
        if (word := _word(program, parameter, value, state))
    ]
    return " ".join([rule.name, *words])


def _word(program: Program, parameter: Parameter, value: int, state: bytes) -> str:
    """One parameter: a label or an enum's name says enough alone, a number needs the name."""
    kind = parameter.type
    match kind:
        case EnumT():
            return str(spelled(kind, value))
        case BoolT():
            return f"{parameter.name}={'yes' if value else 'no'}"
        case IdT(record):
            label = _label(program, record, value, state) if value else ""
            if not label[:1].isdigit():
                return label
            return f"{parameter.name}={label}"
    return f"{parameter.name}={value}" if value else ""


def _label(program: Program, record: type[Record], row: int, state: bytes) -> str:
    """The row's own label, else its number."""
    store = program.store()
    store.load(state)
    view: Record = store.tables[program.layout.table_of(record).name][Id(row)]
    if type(view).label is Record.label:
        return str(row)
    try:
        return view.label()
    except Crash:
        return str(row)


def row_fields(program: Program, record: type[Record], row: int, state: bytes) -> dict[str, Value]:
    """The fields of a row that say something: no constants, nothing at its first value."""
    return {
        name: spelled(column.type, raw)
        for name, column in program.layout.table_of(record).columns.items()
        if column.constants is None
        and (raw := raw_value(column, row, state)) != first_value(column)
    }
