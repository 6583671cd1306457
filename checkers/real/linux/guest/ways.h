/* SPDX-License-Identifier: MIT */
/* The ways in which devices are reached: what is not a call on the iommufd itself. */
#ifndef VIOMMU_WAYS_H
#define VIOMMU_WAYS_H

#include "ioctls.h"

struct way {
	struct types types;

	void (*begin)(const struct batch *batch);

	/* No device is bound any more, and no group taken. */
	void (*let_go)(void);

	struct answer (*on_device)(const struct batch_call *call, int iommufd);

	/* A call of the driver fails in its turn, or again none. */
	void (*fail)(uint8_t call, uint8_t turn);

	int (*look)(int iommufd, uint8_t *seen);
};

extern const struct way module_way, selftest_way, vfio_way;

/* What our own driver knows. */
#define MODULE_TYPES                                                         \
	.data = MOCK_TYPE, .viommu = MOCK_TYPE, .veventq = MOCK_TYPE,        \
	.hw_queue = MOCK_TYPE, .invalidation = MOCK_TYPE, .viommu_words = 1, \
	.entry = module_entry

unsigned int module_entry(const struct batch_call *call, int last, uint32_t *words);

/* Our module is there; its file. */
int module_open(void);

/* What the module sees, in the form of a look of the batch; whether the kernel has warned. */
int module_look(int control, struct mock_looking *looking, const struct batch_header *header,
		uint8_t *seen);

#endif
