"""More than one machine: checks as tasks of a cluster, and one exploration divided among workers.

The cluster is one of Dask (`distributed`), an extra that is imported when `--cluster` is given.
`connection` talks to it, `sweep` gives it many checks, `divided` one exploration, of which each
worker has a `part`.
"""
