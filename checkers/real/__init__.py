"""The specification held against the systems themselves."""
