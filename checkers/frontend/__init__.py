"""Reads the text of actions: Python's `ast` into typed trees, trees into guarded assignments."""
