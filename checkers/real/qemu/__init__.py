"""QEMU's own binary, unmodified, with the specification of the kernel's uAPI as its kernel.

What it does with files of iommufd and VFIO is intercepted, and answered by `spec.iommufd.uapi`; the
guest is driven through its registers and memory. `docs/qemu.rst` says how and what that shows.
"""
