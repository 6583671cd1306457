"""A log of a real run beside the specification: the machine walks along, call by call."""
