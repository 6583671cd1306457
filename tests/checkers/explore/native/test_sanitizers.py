"""The native code does nothing that C does not define, and its threads have no data race."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from checkers.explore.native.compiler import compiler
from tests.checkers.test_cli import ROOT

MEMORY = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all")
THREADS = ("-fsanitize=thread",)

WRONG = """
#include <pthread.h>
#include <stdlib.h>
static int count;
static void *counting(void *given) { for (int i = 0; i < 1000; i++) count++; return given; }
__attribute__((visibility("default"))) int wrong(int how)
{
    if (how == 0) {
        volatile char *cells = calloc(8, 1);
        return cells[how + 8];
    }
    if (how == 1)
        return how << (how + 40);
    pthread_t other;
    pthread_create(&other, 0, counting, 0);
    counting(0);
    return pthread_join(other, 0);
}
"""


def sanitized(library: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Python with a sanitizer's library; skipped where there is none, or it cannot run."""
    command = compiler()
    found = subprocess.run(
        [*command, f"-print-file-name={library}"], capture_output=True, text=True, check=False
    ).stdout.strip()
    if not Path(found).is_file():
        pytest.skip(f"{' '.join(command)} has no {library}")
    with_it = {**os.environ, "LD_PRELOAD": found, "ASAN_OPTIONS": "detect_leaks=0"}
    for prefix in ([], ["setarch", "-R"] if shutil.which("setarch") else []):
        done = subprocess.run(
            [*prefix, sys.executable, *words], cwd=ROOT, env=with_it, capture_output=True,
            text=True, check=False,
        )  # fmt: skip
        if "unexpected memory mapping" not in done.stderr:
            return done
    pytest.skip(f"{library} cannot run here: {done.stderr.splitlines()[0]}")


@pytest.mark.parametrize(
    ("library", "options", "how", "says"),
    [
        ("libasan.so", MEMORY, 0, "heap-buffer-overflow"),
        ("libasan.so", MEMORY, 1, "shift exponent 41 is too large"),
        ("libtsan.so", THREADS, 2, "data race"),
    ],
)
def test_what_is_wrong_is_noticed(
    library: str, options: tuple[str, ...], how: int, says: str
) -> None:
    program = (
        "import os, sys; del os.environ['LD_PRELOAD'];"
        "from checkers.explore.native.compiler import load;"
        f"load(sys.argv[1], '-O0', *sys.argv[2:]).wrong({how})"
    )
    done = sanitized(library, "-c", program, WRONG, *options)
    assert done.returncode
    assert says in done.stderr


def test_no_wrong_access_and_nothing_undefined() -> None:
    done = sanitized(
        "libasan.so", "-m", "tests.checkers.explore.native.sanitized", "memory", *MEMORY
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "object-lifetime 20 72 5",
        "ports 4 18 2 at-most-one no-failed-check",
        "keys 40 170 8 no-copy-of-itself",
        "refcount 12 32 4 no-dangling no-failed-check references-are-holders",
        "refcount 9 None",
    ]


def test_no_data_race() -> None:
    done = sanitized(
        "libtsan.so", "-m", "tests.checkers.explore.native.sanitized", "threads", *THREADS
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "object-lifetime 19397 115486 15",
        "object-lifetime 5137 None",
    ]
