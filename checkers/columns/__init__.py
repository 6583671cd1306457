"""Exploration of a whole frontier at once: actions as operations on columns of states."""
