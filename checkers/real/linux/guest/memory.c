// SPDX-License-Identifier: MIT
#include "memory.h"

#include <linux/iommufd.h>

static const struct types *types;
static uint8_t page[MOCK_PAGE] __attribute__((aligned(MOCK_PAGE)));

static uint64_t address(uint8_t section)
{
	return types->reserved + section * sizeof(page);
}

static struct answer map(const struct batch_call *call)
{
	struct iommu_ioas_map it = {
		.size = sizeof(it),
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE |
			 IOMMU_IOAS_MAP_WRITEABLE,
		.ioas_id = call->id,
		.user_va = (uintptr_t)page,
		.length = sizeof(page),
		.iova = address(call->more),
	};

	struct iommu_ioas_unmap undone = {
		.size = sizeof(undone),
		.ioas_id = call->id,
		.length = sizeof(page),
	};
	struct answer answer;

	if (!(call->flags & BATCH_ANOTHER))
		return asked(IOMMU_IOAS_MAP, &it);
	it.flags &= ~IOMMU_IOAS_MAP_FIXED_IOVA;
	answer = asked(IOMMU_IOAS_MAP, &it);
	undone.iova = it.iova;
	/* Where an allocation is to fail it may be one of these, once. */
	if (!answer.error)
		must(!asked(IOMMU_IOAS_UNMAP, &undone).error ||
		     !asked(IOMMU_IOAS_UNMAP, &undone).error, "unmap what was mapped");
	return answer;
}

static struct answer copy(const struct batch_call *call)
{
	struct iommu_ioas_copy it = {
		.size = sizeof(it),
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE |
			 IOMMU_IOAS_MAP_WRITEABLE,
		.dst_ioas_id = call->device,
		.src_ioas_id = call->id,
		.length = sizeof(page),
		.dst_iova = address(call->flags & ~BATCH_CHANGES),
		.src_iova = address(call->more),
	};

	return asked(IOMMU_IOAS_COPY, &it);
}

static struct answer unmap(const struct batch_call *call)
{
	struct iommu_ioas_unmap it = {
		.size = sizeof(it),
		.ioas_id = call->id,
		.iova = address(call->more),
		.length = sizeof(page),
	};

	if (call->flags & BATCH_EVERYTHING) {
		it.iova = 0;
		it.length = UINT64_MAX;
	}
	return asked(IOMMU_IOAS_UNMAP, &it);
}

static struct answer hw_queue(const struct batch_call *call)
{
	int asked = call->flags & BATCH_ASKED;
	struct iommu_hw_queue_alloc it = {
		.size = sizeof(it),
		.viommu_id = call->id,
		.type = asked == BATCH_NO_TYPE ? IOMMU_HW_QUEUE_TYPE_DEFAULT : types->hw_queue,
		.index = call->more,
		.nesting_parent_iova = address(call->device),
		.length = asked == BATCH_NO_LENGTH ? 0 : sizeof(page),
	};

	if (asked == BATCH_PAST_THE_END)
		it.nesting_parent_iova = ~0ULL;
	return made(IOMMU_HW_QUEUE_ALLOC, &it, &it.out_hw_queue_id);
}

static struct answer allow(const struct batch_call *call)
{
	struct iommu_iova_range range = {
		types->reserved, types->reserved + MOCK_RESERVED_SIZE - 1,
	};
	struct iommu_ioas_allow_iovas it = {
		.size = sizeof(it),
		.ioas_id = call->id,
		.num_iovas = call->flags & BATCH_NOTHING ? 0 : 1,
		.allowed_iovas = (uintptr_t)&range,
	};

	return asked(IOMMU_IOAS_ALLOW_IOVAS, &it);
}

struct answer memory_make(const struct types *of, const struct batch_call *call)
{
	types = of;
	switch (call->op) {
	case BATCH_COPY:
		return copy(call);
	case BATCH_MAP:
		return map(call);
	case BATCH_UNMAP:
		return unmap(call);
	case BATCH_ALLOW:
		return allow(call);
	default:
		return hw_queue(call);
	}
}
