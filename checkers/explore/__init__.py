"""Exhaustive exploration by breadth: every reachable state, exact figures, shortest traces."""
