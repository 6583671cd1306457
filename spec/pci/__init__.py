"""The PCI layer of QEMU: buses, devices and their vIOMMUs, and configuration space."""
