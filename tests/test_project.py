"""The shape of the project: who may import whom, and what its first pages promise."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from checkers.cli import main

ROOT = Path(__file__).parents[1]

MAY_IMPORT = {
    "spec/language": {"spec.language"},
    "spec": {"spec"},
    "invariants": {"spec", "invariants"},
    "checkers": {"spec", "invariants", "checkers"},
}
"""Which of the project's own packages each room may import: one direction."""

OWN = {"spec", "invariants", "checkers", "tests", "docs"}


def imports(path: Path) -> Iterator[str]:
    """The names of the modules that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            yield node.module or ""


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_imports_go_one_way(room: str) -> None:
    files = sorted((ROOT / room).rglob("*.py"))
    assert files
    for file in files:
        for name in imports(file):
            allowed = any(name == own or name.startswith(f"{own}.") for own in MAY_IMPORT[room])
            assert allowed or name.split(".")[0] not in OWN, f"{file} imports {name}"


def test_specification_imports_no_package() -> None:
    """What the system does can be read and run with Python alone."""
    for file in sorted((ROOT / "spec").rglob("*.py")):
        for name in imports(file):
            known = {"spec", *sys.stdlib_module_names}
            assert name.split(".")[0] in known, f"{file} imports {name}"


def test_first_command_is_near_the_top() -> None:
    head = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()[:20]
    assert any(line.startswith("    make ") for line in head)


def test_documented_commands_exist() -> None:
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.rst"))]
    words = "\n".join(page.read_text(encoding="utf-8") for page in pages)
    assert isinstance(main, click.Group)
    for command in re.findall(r"viommu-spec ([a-z]+)\b", words):
        assert command in main.commands, f"viommu-spec {command}"
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
    for target in re.findall(r"(?:^ {4}|``?)make ([a-z]+)\b", words, re.M):
        assert target in targets, f"make {target}"


def test_documented_options_exist() -> None:
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.rst"))]
    assert isinstance(main, click.Group)
    for page in pages:
        for command, rest in re.findall(
            r"viommu-spec ([a-z]+)\b([^`\n]*)", page.read_text("utf-8")
        ):
            known = {name for item in main.commands[command].params for name in item.opts}
            for option in re.findall(r"--[a-z-]+", rest):
                assert option in known | {"--help"}, f"{page.name}: {command} {option}"


def test_dependencies_have_lower_bounds_only() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"].values()
    for line in [*project["dependencies"], *(item for extra in extras for item in extra)]:
        assert re.fullmatch(r"[a-z0-9-]+>=[0-9.]+", line), line


def test_ci_runs_what_a_developer_runs() -> None:
    lines = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line.startswith("make")] == ["make test", "make check"]
