"""Keys with a memory of one that was given back: what is remembered may name another key since."""

from __future__ import annotations

from spec.language import (
    NONE,
    Bounds,
    Id,
    IdSet,
    Machine,
    Record,
    State,
    Table,
    Variant,
    fresh,
    invariant,
    overrides,
    overriding,
    require,
    sometimes,
)


class Key(Record):
    """One key: it is out or it hangs there, and it may have been copied from another."""

    out: bool
    copied: Id[Key]


class Board(State):
    """The keys, the one that was given back last, and those that were out once."""

    keys: Table[Key]
    last: Id[Key]
    worn: IdSet[Key]


def init(s: Board) -> None:
    """All keys hang there."""


def lent(s: Board) -> Id[Key]:
    """A key that hangs there."""
    return fresh(k.id for k in s.keys if not k.out)


def lend(s: Board) -> None:
    """Somebody takes a key."""
    key = lent(s)
    require(key != NONE)
    s.keys[key].out = True
    s.worn.add(key)


def copy(s: Board, old: Id[Key]) -> None:
    """A key that is out is copied to one that hangs there."""
    require(s.keys[old].out and old in s.worn)
    key = lent(s)
    require(key != NONE)
    s.keys[key].out = True
    s.keys[key].copied = old


def give_back(s: Board, key: Id[Key]) -> None:
    """A key is hung up again; what is copied from it is forgotten."""
    require(s.keys[key].out)
    s.keys[key].out = False
    s.keys[key].copied = NONE
    s.last = key


@sometimes
def lent_again(s: Board) -> bool:
    """The key that was given back last is out again."""
    return s.last != NONE and s.keys[s.last].out


@invariant(witness=lent_again)
def no_copy_of_itself(s: Board, key: Id[Key]) -> bool:
    """No key is copied from itself."""
    return s.keys[key].copied != key


@invariant(witness=lent_again)
def same_key(s: Board, key: Id[Key]) -> bool:
    """A key that is out is the one that was given back last.

    If keys are lent one at a time, and always the first that hangs there, there is only this one.
    """
    return s.last == NONE or not s.keys[key].out or s.last == key


@overrides(copy)
def copy_itself(s: Board, old: Id[Key]) -> None:
    """A key that is out counts as copied from itself, if it is worn."""
    require(s.keys[old].out and old in s.worn)
    s.keys[old].copied = old


KEYS = Machine(
    name="keys",
    state=Board,
    init=init,
    actions=(lend, copy, give_back),
    bounds={"small": Bounds({"keys": 3})},
    invariants=(no_copy_of_itself,),
    title="A board of keys",
    about="Keys are lent, copied and given back.",
)

COPIES_ITSELF = Variant("copies-itself", "keys", overriding(copy_itself))


def lend_alone(s: Board) -> None:
    """Somebody takes a key if no other is out."""
    require(not any(k.out for k in s.keys))
    lend(s)


ALONE = Machine(
    name="alone",
    state=Board,
    init=init,
    actions=(lend_alone, give_back),
    bounds={"small": Bounds({"keys": 3})},
    invariants=(no_copy_of_itself, same_key),
    sometimes=(lent_again,),
)
"""Under the lowest free id `same_key` holds, and if any may be taken it does not."""
