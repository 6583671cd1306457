"""The value of a node, for given values of its variables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from checkers.frontend.ir import Node


def evaluate(nodes: Iterable[Node], values: Mapping[Node, int]) -> dict[Node, int]:
    """The values of nodes given in evaluation order (`order`), as ints; `values` by variable."""
    found: dict[Node, int] = {}
    for node in nodes:
        given = [found[x] for x in node.args]
        match node.op:
            case "const":
                value = int(node.value)
            case "var":
                value = values[node]
            case "not":
                value = 1 - given[0]
            case "and":
                value = given[0] & given[1]
            case "or":
                value = given[0] | given[1]
            case "eq":
                value = int(given[0] == given[1])
            case "lt":
                value = int(given[0] < given[1])
            case "add":
                value = given[0] + given[1]
            case "sub":
                value = given[0] - given[1]
            case "ite":
                value = given[1] if given[0] else given[2]
            case "count":
                value = sum(given)
            case _:
                value = given[0]
        found[node] = value
    return found
