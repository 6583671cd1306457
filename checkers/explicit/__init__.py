"""The explicit engine: every reachable state of a program, one by one."""
