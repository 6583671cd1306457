"""The uAPI of iommufd for any user: all kinds of objects, groups, PASIDs, versions of the kernel.

The state is the one that QEMU's calls work on with columns added: `Uapi` derives `Kernel`, its
records derive `Object` and `Device`. So every function of the rules that both have is one function,
and machines that need no more than `Kernel` keep no column of what is here.
"""
