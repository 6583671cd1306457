/* SPDX-License-Identifier: MIT */
/* The calls of a batch that are system calls on an iommufd, and the files that they open. */
#ifndef VIOMMU_IOCTLS_H
#define VIOMMU_IOCTLS_H

#include "calls.h"

/* What GET_HW_INFO says of devices is of this type; they reserve addresses from there on. */
void ioctls_begin(uint32_t info, uint64_t reserved);

/* Makes a call on an iommufd. */
struct answer ioctls_make(int iommufd, const struct batch_call *call);

/* All files that calls have opened are closed, windows unmapped. */
void ioctls_close_files(void);

#endif
