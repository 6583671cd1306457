"""Random guests on a running QEMU, of which nothing is known but what an architecture promises.

A run is a fresh QEMU and actions of its guest, in each of which a call of the host may be refused.
After each of them what the kernel has is held against what the guest has asked for.
"""
