/* SPDX-License-Identifier: MIT */
/* The calls of a batch that are system calls on an iommufd. */
#ifndef VIOMMU_IOCTLS_H
#define VIOMMU_IOCTLS_H

#include "calls.h"

/* What a driver knows. */
struct types {
	uint32_t info;		/* the type of what GET_HW_INFO says of a device, */
	uint32_t data;		/* of the data of a nested HWPT, and of others: */
	uint32_t viommu, veventq, hw_queue, invalidation;
	uint8_t viommu_words;	/* of 8 bytes: the data of a vIOMMU, among them */
	uint8_t window_word;	/* where it has a window to be mapped */
	uint64_t reserved;	/* the first address that devices reserve */

	/* The first or the last entry of an INVALIDATE; how many of ENTRY_WORDS it is. */
	unsigned int (*entry)(const struct batch_call *call, int last, uint32_t *words);
};

#define VIOMMU_WORDS 3
#define ENTRY_WORDS 3

void ioctls_begin(const struct types *types);

/* Makes a call on an iommufd. */
struct answer ioctls_make(int iommufd, const struct batch_call *call);

/* For what makes some of them: a call that answers no more than an errno, one that writes an id. */
struct answer asked(unsigned long command, void *argument);
struct answer made(unsigned long command, void *argument, const uint32_t *id);

#endif
