"""Traces: made of a violation, written as JSON, read back, run again, shown as text."""
