"""What the vIOMMU of VT-d tells its guest, and which devices of the host can do that."""
