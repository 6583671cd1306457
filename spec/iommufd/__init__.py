"""The kernel's iommufd objects and calls, as rules with errnos."""
