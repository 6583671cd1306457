"""The shape of the project: who may import whom, and what its first pages promise."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Callable, Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import click
import pytest

from checkers.cli import main

ROOT = Path(__file__).parents[1]

ROOMS = {
    "spec.language": "",
    "spec.memory": "language",
    "spec.iommufd": "language memory",
    "spec.iommufd.uapi": "language iommufd memory",
    "spec.migration": "language iommufd",
    "spec.pci": "language iommufd",
    "spec.vtd": "language memory iommufd",
    "spec.vfio": "language memory iommufd iommufd.uapi pci",
    "spec.smmuv3": "language iommufd iommufd.uapi vfio",
    "spec.vtd.accel": "language memory iommufd iommufd.uapi vfio vtd",
    "spec.vfio.attach": "language memory iommufd iommufd.uapi vfio smmuv3",
    "spec.vtd.capabilities": "language iommufd",
    "spec.vtd.set_unset": "language iommufd",
    "spec.vtd.regions": "language memory iommufd iommufd.uapi vfio",
    "spec.variants.seen": "language",
    "spec.variants.pci_hotplug": "language iommufd pci variants.seen",
    "spec.variants.uapi": "language memory iommufd iommufd.uapi",
    "spec.variants.vfio": "language memory iommufd iommufd.uapi vfio smmuv3 vfio.attach "
    "variants.seen variants.uapi",
    "spec.variants.vtd_accel": "language iommufd iommufd.uapi vfio vtd vtd.accel variants.seen "
    "variants.uapi variants.vfio",
    "spec.variants": "language memory iommufd iommufd.uapi migration pci vtd vfio smmuv3 "
    "vfio.attach vtd.regions vtd.capabilities vtd.set_unset variants.seen variants.pci_hotplug "
    "variants.uapi variants.vfio variants.vtd_accel",
    "checkers.frontend": "",
    "checkers.murphi": "frontend",
    "checkers.symbolic": "frontend",
    "checkers.explore": "frontend",
    "checkers.trace": "",
    "checkers.report": "trace",
    "checkers.cluster": "explore",
    "checkers.conform": "trace",
    "checkers.real": "",
    "checkers.real.linux": "real explore trace",
    "checkers.real.qemu": "real trace",
    "checkers.real.qemu.lockstep": "real real.qemu conform trace",
    "checkers.real.qemu.rules": "real real.qemu trace",
    "checkers.commands": "murphi symbolic explore trace report cluster conform "
    "real.linux real.qemu real.qemu.lockstep real.qemu.rules",
}
"""Which rooms of its own package each room may import, besides itself, in one order.

What lies beside the rooms of `checkers` (results, limits, how machines are found) any room may
import, as long as that makes no cycle.
"""

INNER = {"checkers.explore.native": "checkers.explore"}
"""Rooms that are one with the room around them."""

PACKAGES = {
    "spec": {"spec"},
    "invariants": {"spec", "invariants"},
    "checkers": {"spec", "invariants", "checkers"},
}
"""Which packages each package may import: one direction."""

OWN = {"spec", "invariants", "checkers", "tests", "docs", "benchmarks"}


def imports(path: Path) -> Iterator[str]:
    """The names of the modules that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            inner = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (name if name in FILES else node.module or "" for name in inner)


def named(file: Path) -> str:
    """The module that a file is."""
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {named(file): file for top in PACKAGES for file in sorted((ROOT / top).rglob("*.py"))}
"""The files of the three packages, by the names of their modules."""


def room(module: str) -> str:
    """The folder that a module is in."""
    is_folder = FILES[module].name == "__init__.py"
    folder = module if is_folder else module.rpartition(".")[0]
    return INNER.get(folder, folder)


def graph(of: Callable[[str], str]) -> dict[str, set[str]]:
    """What imports what, where `of` says what a module is taken for."""
    found: dict[str, set[str]] = {of(module): set() for module in FILES}
    for module, file in FILES.items():
        found[of(module)] |= {of(name) for name in imports(file) if name in FILES} - {of(module)}
    return found


def part(module: str) -> str:
    """The room of a module; a module that lies beside the rooms of `checkers` is its own."""
    return module if room(module) in ("checkers", "spec") else room(module)


@pytest.mark.parametrize("package", PACKAGES)
def test_packages_import_one_way(package: str) -> None:
    files = sorted((ROOT / package).rglob("*.py"))
    assert files
    for file in files:
        for name in imports(file):
            top = name.split(".")[0]
            assert top in PACKAGES[package] or top not in OWN, f"{file} imports {name}"


def test_every_room_says_whom_it_may_import() -> None:
    found = {room(module) for module in FILES} - {*PACKAGES}
    assert found <= {*ROOMS}, "a room of its own belongs into ROOMS"


@pytest.mark.parametrize("name", ROOMS)
def test_rooms_import_whom_they_may(name: str) -> None:
    top = name.split(".")[0]
    allowed = {f"{top}.{other}" for other in ROOMS[name].split()}
    for other in graph(room).get(name, set()):
        if other in ROOMS and other.split(".")[0] == top:
            assert other in allowed, f"{name} imports {other}"
        assert other != "spec", f"{name} imports a list of machines"


def test_rooms_are_listed_below_whom_they_may_import() -> None:
    order = [*ROOMS]
    for name, others in ROOMS.items():
        for other in others.split():
            assert order.index(f"{name.split('.')[0]}.{other}") < order.index(name), name


@pytest.mark.parametrize("of", [part, str], ids=["rooms", "modules"])
def test_no_import_comes_back(of: Callable[[str], str]) -> None:
    try:
        TopologicalSorter(graph(of)).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_no_two_modules_of_checkers_have_one_name() -> None:
    seen: dict[str, str] = {}
    for module, file in FILES.items():
        if module.startswith("checkers.") and file.name != "__init__.py":
            assert file.name not in seen, f"{module} and {seen[file.name]}"
            seen[file.name] = module


@pytest.mark.parametrize(
    ("package", "module"),
    [
        ("networkx", "checkers/graph.py"),
        ("hypothesis", "checkers/stateful.py"),
        ("z3", "checkers/symbolic/terms.py"),
    ],
)
def test_engines_are_built_on_the_libraries_that_the_project_is_for(
    package: str, module: str
) -> None:
    """Object graphs are networkx's, random runs hypothesis's, proofs z3's: no own code instead."""
    assert re.search(rf"^\s*(import|from) {package}\b", (ROOT / module).read_text(), re.MULTILINE)


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
    assert [line.split()[:2] for line in lines if line.startswith("make")] == [
        ["make", "test"], ["make", "check"], ["make", "qemu"],
    ]  # fmt: skip
