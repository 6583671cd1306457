"""What the specification may name as its source: documents, patches, functions, rules, defects."""

from __future__ import annotations

import importlib
import pkgutil
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import FunctionType
from typing import Any, TypedDict

import invariants
import spec
from spec.language import Source
from spec.language.machine import Function, sources_of

DOCS = Path(__file__).resolve().parents[2]
FOLDER = DOCS / "provenance"


class Patch(TypedDict, total=False):
    """A patch: its title, the files and functions it touches, what else is mentioned of it."""

    title: str
    files: list[str]
    functions: list[str]
    mentions: list[str]


class Rule(TypedDict, total=False):
    """A rule of the kernel: what it says, where, since when; why nothing mirrors it, if so."""

    says: str
    at: list[str]
    versions: str
    outside: str


@cache
def table(path: Path) -> dict[str, Any]:
    """A data file."""
    return tomllib.loads(path.read_text(encoding="utf-8"))


def documents() -> dict[str, dict[str, Any]]:
    """The documents by their numbers."""
    return table(FOLDER / "documents.toml")


def patches() -> dict[str, Patch]:
    """The patches by document and id, as "002 15/21"."""
    return table(FOLDER / "patches.toml")


def rules() -> dict[str, Rule]:
    """The rules of the kernel by their ids."""
    return table(FOLDER / "kernel-rules.toml")


def defects() -> dict[str, Any]:
    """The known defects by their ids."""
    return table(DOCS / "defects.toml")


def qemu() -> dict[str, list[str]]:
    """The functions of the released QEMU that are named, by their files."""
    files: dict[str, list[str]] = table(FOLDER / "qemu.toml")["files"]
    return files


def missing(source: Source) -> str:
    """Why the index does not have a source; empty if it has it."""
    if source.document == "kernel":
        return "" if source.patch in rules() else f"no rule {source.patch}"
    if source.document == "defects":
        return "" if source.patch in defects() else f"no defect {source.patch}"
    if source.document == "qemu":
        known = source.function in qemu().get(source.patch, [])
        return "" if known else f"qemu.toml has no {source.function} of {source.patch}"
    found = patches().get(f"{source.document} {source.patch}")
    if found is None:
        return f"no patch {source.document} {source.patch}"
    named = [*found["functions"], *found.get("mentions", [])]
    known = not source.function or source.function in named
    return "" if known else f"patches.toml has no {source}: see viommu_spec.threads"


def everything() -> Iterator[Function]:
    """Every function of the specification that says where it comes from."""
    for package in (spec, invariants):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            for item in vars(importlib.import_module(found.name)).values():
                own = isinstance(item, FunctionType) and item.__module__ == found.name
                if own and sources_of(item):
                    yield item
