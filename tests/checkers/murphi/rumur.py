"""Asks rumur about a model; where it is not installed, the tests that need it say so."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from checkers.murphi import murphi
from spec.language import Program

GENERATE = ("rumur", "--deadlock-detection", "off", "--symmetry-reduction", "off", "--threads", "1")
COMPILE = ("gcc", "-O1", "-march=native", "-pthread")
LIBRARIES = ("-latomic",)
WIDE = "-mcx16"
"""What rumur's checker needs of gcc on x86-64, and other processors do not know."""


@dataclass(frozen=True)
class Answer:
    """What rumur says; `error` is empty if it finds none."""

    states: int
    rules: int
    error: str


def asked(program: Program, room: Path) -> Answer:
    """Export a program, have rumur make a checker of it, and run that."""
    for tool in (GENERATE[0], COMPILE[0]):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    model, source, checker = room / "model.m", room / "model.c", room / "model"
    model.write_text(murphi(program))
    _run(*GENERATE, str(model), "--output", str(source))
    wide = [WIDE] if "x86" in _run("gcc", "-dumpmachine") else []
    _run(*COMPILE, *wide, str(source), "-o", str(checker), *LIBRARIES)
    said = subprocess.run([checker], capture_output=True, text=True, check=False).stdout
    found = re.search(r"(\d+) states, (\d+) rules fired", said)
    assert found, said
    error = re.search(r"^\t*(?:Error: )?(.*(?:rror|nvariant|ssertion).*):?$", said, re.M)
    clean = "No error found" in said
    return Answer(int(found[1]), int(found[2]), "" if clean else error[1] if error else "unnamed")


def _run(*words: str) -> str:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
