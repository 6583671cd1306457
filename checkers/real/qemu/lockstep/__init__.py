"""QEMU in lockstep with a machine: each action is done, and all that comes of it compared."""
