"""VT-d is given the host IOMMU device of a passthrough device, and lets go of it."""
