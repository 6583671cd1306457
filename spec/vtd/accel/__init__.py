"""VT-d's first stage as it was built: VFIO makes the nesting parent, the vIOMMU nests over it."""
