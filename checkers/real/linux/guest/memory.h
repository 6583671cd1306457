/* SPDX-License-Identifier: MIT */
/* The calls of a batch that are about memory: an IOAS's, and a hardware queue in it. */
#ifndef VIOMMU_MEMORY_H
#define VIOMMU_MEMORY_H

#include "ioctls.h"

struct answer memory_make(const struct types *types, const struct batch_call *call);

#endif
