"""The specification language: a small, typed subset of Python that every engine reads.

A specification imports from here and from nothing else:

- `Record`, `Table`, `State`, `Id`, `IdSet`, `Sort`, `Range`, `CONST`, `NULLABLE` declare state;
- `require`, `check`, `limit`, `Fault`, `host_call`, `first`, `fresh`, `count`, `NONE`, `NULL`
  write actions;
- `Machine`, `Bounds`, `bounds_like`, `Shape`, `bits`, `Teardown`, `Variant`, `variant_of`,
  `mirrors`, `invariant`, `on_failure`, `sometimes`, `overrides`, `overriding` put them together,
  `released`, `posted`, `MUTANT`, `Standing`, `Seen` say what a variant is of, `Of` a machine;
- `build` makes a `Program` of a machine, which runs: `steps` are those that a state allows, `take`
  takes one, `broken_by_state` and `broken_by_step` say what is broken.
"""

from spec.language.control import Fault, check, host_call, limit, require
from spec.language.errors import LanguageError
from spec.language.layout import Shape, bits
from spec.language.machine import (
    Bounds,
    Invariant,
    Machine,
    Source,
    Teardown,
    Variant,
    Witness,
    bounds_like,
    invariant,
    mirrors,
    on_failure,
    overrides,
    overriding,
    sometimes,
    variant_of,
)
from spec.language.program import Program, build
from spec.language.rules import Breach, broken_by_state, broken_by_step, witnesses_of
from spec.language.standing import MUTANT, Of, Seen, Standing, posted, released
from spec.language.steps import Step, steps, take
from spec.language.types import (
    CONST,
    NONE,
    NULL,
    NULLABLE,
    Id,
    IdSet,
    Range,
    Record,
    Sort,
    State,
    Table,
    count,
    first,
    fresh,
)

__all__ = [
    "released",
    "posted",
    "MUTANT",
    "Standing",
    "Seen",
    "Of",
    "CONST",
    "NONE",
    "NULL",
    "NULLABLE",
    "Bounds",
    "Breach",
    "Fault",
    "Id",
    "IdSet",
    "Invariant",
    "LanguageError",
    "Machine",
    "Program",
    "Range",
    "Record",
    "Shape",
    "Sort",
    "Source",
    "State",
    "Step",
    "Table",
    "Teardown",
    "Variant",
    "Witness",
    "bits",
    "bounds_like",
    "broken_by_state",
    "broken_by_step",
    "build",
    "check",
    "count",
    "first",
    "fresh",
    "host_call",
    "invariant",
    "limit",
    "mirrors",
    "on_failure",
    "overrides",
    "overriding",
    "require",
    "sometimes",
    "steps",
    "take",
    "variant_of",
    "witnesses_of",
]
