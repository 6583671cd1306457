"""QEMU's Intel vIOMMU with first-stage translation: as posted here, as it was built in `accel`."""
