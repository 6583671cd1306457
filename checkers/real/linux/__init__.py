"""Linux: what iommufd answers, call by call, beside what `iommufd-objects` says.

`source` and `image` make a kernel and the programs that run in it, `boot` runs it. `calls` knows
what a step of the specification is as a call and what is to be seen after it, `plan` which calls
are made, `batch` how they are written down for the guest. `compare` reads what the guest says.
"""
