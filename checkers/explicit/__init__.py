"""The explicit engine: every reachable state of a program, one by one."""

from checkers.explicit.engine import check
from checkers.explicit.search import Exploration, explore

__all__ = ["Exploration", "check", "explore"]
