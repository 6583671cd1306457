"""Which of the two memory regions of an address space behind VT-d is on."""
