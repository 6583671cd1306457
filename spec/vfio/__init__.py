"""QEMU's VFIO: what it shows the guest of a host device."""
