"""One measurement in a process of its own, so that its memory is its own: JSON on stdout."""

from __future__ import annotations

import json
import resource
import sys

from benchmarks.cases import CASES, measure


def main(name: str) -> None:
    """Measure the case of that name; a program that it runs tells its own memory."""
    case = next(case for case in CASES if case.name == name)
    figures = measure(case)
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"peak MiB": own} | figures))


if __name__ == "__main__":
    main(sys.argv[1])
