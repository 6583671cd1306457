/* SPDX-License-Identifier: MIT */
/* The ways in which devices are reached: what is not a call on the iommufd itself. */
#ifndef VIOMMU_WAYS_H
#define VIOMMU_WAYS_H

#include "calls.h"

struct way {
	uint32_t info;		/* the type of what GET_HW_INFO says of a device */
	uint64_t reserved;	/* the first address that a device reserves, if one does */

	void (*begin)(const struct batch *batch);

	/* No device is bound any more, and no group taken. */
	void (*let_go)(void);

	struct answer (*on_device)(const struct batch_call *call, int iommufd);

	/* A call of the driver fails in its turn, or again none. */
	void (*fail)(uint8_t call, uint8_t turn);

	int (*look)(int iommufd, uint8_t *seen);
};

extern const struct way module_way, vfio_way;

#endif
