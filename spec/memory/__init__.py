"""The guest's physical memory map: real input, and how a model sees it."""
