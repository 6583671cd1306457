"""What the system does: every component as an explicit transition system."""
