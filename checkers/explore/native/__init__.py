"""The native explorer: a machine as C, compiled for its bounds, and the search that drives it.

`c_state` writes the state, `c_functions` the functions of the specification, `c_steps` the loops
over parameters and the rules, `c_program` all of it; the files in C beside them are the rest of the
program. `compiler` makes a library of that, and `search` explores with it.
"""
