"""The PCI layer of QEMU: configuration space and what is put into it."""
