/* SPDX-License-Identifier: MIT */
/* The calls of a batch that are system calls on an iommufd, and the files that they open. */
#ifndef VIOMMU_IOCTLS_H
#define VIOMMU_IOCTLS_H

#include "calls.h"

void ioctls_begin(void);

/* Makes a call on an iommufd. */
struct answer ioctls_make(int iommufd, const struct batch_call *call);

/* All files that calls have opened are closed, windows unmapped. */
void ioctls_close_files(void);

#endif
