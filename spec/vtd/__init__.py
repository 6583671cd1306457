"""QEMU's Intel vIOMMU with first-stage translation of passthrough devices."""
