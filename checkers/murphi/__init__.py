"""Machines as Murphi models, so that an independent model checker can be asked too.

Written from the typed trees that the front end makes, not from the merged graphs: a graph has no
calls and no branches, so that the largest action of `hwpt-sharing` is 125,000 expressions, of which
rumur would make tens of megabytes of C; as functions it is as long as the specification.
"""

from checkers.murphi.model import murphi

__all__ = ["murphi"]
