"""How fast the engines are, on machines of the specification and on a toy of known size."""
