// SPDX-License-Identifier: MIT
#include "ioctls.h"

#include <errno.h>
#include <linux/iommufd.h>
#include <sys/ioctl.h>

#include "files.h"
#include "memory.h"

static int iommufd;
static const struct types *types;

void ioctls_begin(const struct types *of)
{
	types = of;
}

struct answer asked(unsigned long command, void *argument)
{
	int rc = ioctl(iommufd, command, argument);

	return (struct answer){ rc ? errno : 0, 0 };
}

struct answer made(unsigned long command, void *argument, const uint32_t *id)
{
	struct answer answer = asked(command, argument);

	if (!answer.error)
		answer.id = *id;
	return answer;
}

static struct answer info(const struct batch_call *call)
{
	uint32_t data;
	struct iommu_hw_info it = {
		.size = sizeof(it),
		.dev_id = call->id,
		.flags = IOMMU_HW_INFO_FLAG_INPUT_TYPE,
		.in_data_type = call->flags & BATCH_ITS_TYPE ? types->info : MOCK_TYPE + 1,
		.data_len = sizeof(data),
		.data_uptr = (uintptr_t)&data,
	};

	return asked(IOMMU_GET_HW_INFO, &it);
}

static struct answer ioas(void)
{
	struct iommu_ioas_alloc it = { .size = sizeof(it) };

	return made(IOMMU_IOAS_ALLOC, &it, &it.out_ioas_id);
}

static struct answer hwpt(const struct batch_call *call)
{
	uint32_t table = call->more;
	struct iommu_hwpt_alloc it = {
		.size = sizeof(it),
		.dev_id = call->device,
		.pt_id = call->id,
	};

	if (call->flags & BATCH_NEST_PARENT)
		it.flags |= IOMMU_HWPT_ALLOC_NEST_PARENT;
	if (call->flags & BATCH_DIRTY)
		it.flags |= IOMMU_HWPT_ALLOC_DIRTY_TRACKING;
	if (call->flags & BATCH_WITH_PASID)
		it.flags |= IOMMU_HWPT_ALLOC_PASID;
	if (call->flags & BATCH_FAULT_ID) {
		it.flags |= IOMMU_HWPT_FAULT_ID_VALID;
		it.fault_id = call->more;
	}
	if (call->flags & BATCH_DATA) {
		it.data_type = types->data;
		it.data_len = sizeof(table);
		it.data_uptr = (uintptr_t)&table;
	}
	return made(IOMMU_HWPT_ALLOC, &it, &it.out_hwpt_id);
}

static struct answer hwpt_unknown(const struct batch_call *call)
{
	uint32_t table = 1;
	struct iommu_hwpt_alloc it = {
		.size = sizeof(it),
		.dev_id = call->device,
		.pt_id = call->id,
	};

	if (call->flags & BATCH_UNKNOWN)
		it.flags = 1U << 31;
	if (call->more != BATCH_NO_DATA) {
		it.data_len = sizeof(table);
		it.data_uptr = (uintptr_t)&table;
	}
	if (call->more == BATCH_OF_ITS_TYPE)
		it.data_type = types->data;
	if (call->more == BATCH_OF_ANOTHER_TYPE)
		it.data_type = MOCK_TYPE + 1;
	return made(IOMMU_HWPT_ALLOC, &it, &it.out_hwpt_id);
}

static struct answer track_dirty(const struct batch_call *call)
{
	struct iommu_hwpt_set_dirty_tracking it = {
		.size = sizeof(it),
		.flags = call->more ? IOMMU_HWPT_DIRTY_TRACKING_ENABLE : 0,
		.hwpt_id = call->id,
	};

	return asked(IOMMU_HWPT_SET_DIRTY_TRACKING, &it);
}

static struct answer viommu(const struct batch_call *call)
{
	uint64_t data[VIOMMU_WORDS] = { 0 };
	struct iommu_viommu_alloc it = {
		.size = sizeof(it),
		.type = call->flags & BATCH_ANOTHER ? MOCK_TYPE + 1 : types->viommu,
		.dev_id = call->device,
		.hwpt_id = call->id,
		.data_len = types->viommu_words * sizeof(data[0]),
		.data_uptr = (uintptr_t)data,
	};
	struct answer answer = made(IOMMU_VIOMMU_ALLOC, &it, &it.out_viommu_id);

	if (!answer.error)
		files_window(answer.id, data[types->window_word]);
	return answer;
}

static struct answer vdevice(const struct batch_call *call)
{
	struct iommu_vdevice_alloc it = {
		.size = sizeof(it),
		.viommu_id = call->id,
		.dev_id = call->device,
		.virt_id = call->more,
	};

	return made(IOMMU_VDEVICE_ALLOC, &it, &it.out_vdevice_id);
}

static struct answer veventq(const struct batch_call *call)
{
	struct iommu_veventq_alloc it = {
		.size = sizeof(it),
		.viommu_id = call->id,
		.type = types->veventq,
		.veventq_depth = 1,
	};
	struct answer answer = made(IOMMU_VEVENTQ_ALLOC, &it, &it.out_veventq_id);

	if (!answer.error)
		files_queue(answer.id, it.out_veventq_fd);
	return answer;
}

static struct answer faultq(void)
{
	struct iommu_fault_alloc it = { .size = sizeof(it) };
	struct answer answer = made(IOMMU_FAULT_QUEUE_ALLOC, &it, &it.out_fault_id);

	if (!answer.error)
		files_queue(answer.id, it.out_fault_fd);
	return answer;
}

/* No entry; or a good one and, if `more` says of what kind, another. */
static struct answer invalidate(const struct batch_call *call)
{
	uint32_t entries[2 * ENTRY_WORDS];
	unsigned int words = types->entry(call, 0, entries);
	struct iommu_hwpt_invalidate it = {
		.size = sizeof(it),
		.hwpt_id = call->id,
		.data_uptr = (uintptr_t)entries,
		.data_type = types->invalidation,
		.entry_len = words * sizeof(entries[0]),
		.entry_num = call->more ? 2 : 1,
	};
	struct answer answer;

	types->entry(call, 1, entries + words);
	if (call->flags & BATCH_NOTHING)
		it.entry_num = 0;
	answer = asked(IOMMU_HWPT_INVALIDATE, &it);
	answer.id = it.entry_num;
	return answer;
}

static struct answer destroy(const struct batch_call *call)
{
	struct iommu_destroy it = { .size = sizeof(it), .id = call->id };

	struct answer answer = asked(IOMMU_DESTROY, &it);

	if (!answer.error)
		files_window(call->id, 0);
	return answer;
}

struct answer ioctls_make(int on, const struct batch_call *call)
{
	iommufd = on;
	switch (call->op) {
	case BATCH_CLOSE_QUEUE:
		files_close(call->id);
		break;
	case BATCH_INFO:
		return info(call);
	case BATCH_IOAS:
		return ioas();
	case BATCH_HWPT:
		return hwpt(call);
	case BATCH_VIOMMU:
		return viommu(call);
	case BATCH_VDEVICE:
		return vdevice(call);
	case BATCH_VEVENTQ:
		return veventq(call);
	case BATCH_FAULTQ:
		return faultq();
	case BATCH_PAGE_RESPONSE:
		return files_respond(call->id);
	case BATCH_INVALIDATE:
		return invalidate(call);
	case BATCH_HWPT_UNKNOWN:
		return hwpt_unknown(call);
	case BATCH_TRACK_DIRTY:
		return track_dirty(call);
	case BATCH_MMAP:
		return files_map_window(iommufd, call);
	case BATCH_COPY:
	case BATCH_MAP:
	case BATCH_UNMAP:
	case BATCH_ALLOW:
	case BATCH_HW_QUEUE:
		return memory_make(types, call);
	case BATCH_DESTROY:
		return destroy(call);
	}
	return (struct answer){ 0, 0 };
}
