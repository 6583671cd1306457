// SPDX-License-Identifier: MIT
#include "ioctls.h"

#include <errno.h>
#include <linux/iommufd.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

static int iommufd;
static const struct types *types;
static int queues[256];		/* the file of each id that has one, else -1 */
static struct {
	uint64_t offset;
	void *mapped;
} windows[256];			/* of each vIOMMU that has one */

/* The file of a queue is closed, the window of a vIOMMU unmapped. */
static void close_file(uint8_t id)
{
	if (queues[id] >= 0)
		close(queues[id]);
	if (windows[id].mapped)
		munmap(windows[id].mapped, MOCK_WINDOW_PAGES * MOCK_PAGE);
	queues[id] = -1;
	windows[id].mapped = NULL;
}

void ioctls_begin(const struct types *of)
{
	types = of;
	memset(queues, -1, sizeof(queues));
}

void ioctls_close_files(void)
{
	int id;

	for (id = 0; id < 256; id++)
		close_file(id);
	memset(windows, 0, sizeof(windows));
}

/* A call on the iommufd that answers no more than an errno. */
static struct answer asked(unsigned long command, void *argument)
{
	int rc = ioctl(iommufd, command, argument);

	return (struct answer){ rc ? errno : 0, 0 };
}

/* One that makes something, whose id it writes. */
static struct answer made(unsigned long command, void *argument, const uint32_t *id)
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
		windows[answer.id].offset = data[types->window_word];
	return answer;
}

/* The window of a vIOMMU, or half of it. */
static struct answer map_window(const struct batch_call *call)
{
	size_t size = (call->more ? MOCK_WINDOW_PAGES : 1) * MOCK_PAGE;
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, iommufd,
			windows[call->id].offset);

	if (at == MAP_FAILED)
		return (struct answer){ errno, 0 };
	windows[call->id].mapped = at;
	return (struct answer){ 0, 0 };
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
		queues[answer.id] = it.out_veventq_fd;
	return answer;
}

static struct answer faultq(void)
{
	struct iommu_fault_alloc it = { .size = sizeof(it) };
	struct answer answer = made(IOMMU_FAULT_QUEUE_ALLOC, &it, &it.out_fault_id);

	if (!answer.error)
		queues[answer.id] = it.out_fault_fd;
	return answer;
}

uint8_t ioctls_event(void)
{
	struct {
		struct iommufd_vevent_header header;
		struct mock_event event;
	} read_one;
	uint8_t said = 0;
	int id;

	for (id = 0; id < 256; id++)
		while (queues[id] >= 0 &&
		       read(queues[id], &read_one, sizeof(read_one)) == sizeof(read_one))
			said = read_one.event.virt_id;
	return said;
}

/* The page request that is in a queue is answered; it is to be that of a device. */
static struct answer page_response(const struct batch_call *call)
{
	struct iommu_hwpt_page_response response = { .code = IOMMUFD_PAGE_RESP_SUCCESS };
	struct iommu_hwpt_pgfault request;

	if (read(queues[call->id], &request, sizeof(request)) != sizeof(request))
		return (struct answer){ errno, 0 };
	if (request.dev_id != call->device)
		return (struct answer){ ENODEV, 0 };
	response.cookie = request.cookie;
	if (write(queues[call->id], &response, sizeof(response)) != sizeof(response))
		return (struct answer){ errno, 0 };
	return (struct answer){ 0, 0 };
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
		must(!ioctl(iommufd, IOMMU_IOAS_UNMAP, &undone) ||
		     !ioctl(iommufd, IOMMU_IOAS_UNMAP, &undone), "unmap what was mapped");
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

static struct answer destroy(const struct batch_call *call)
{
	struct iommu_destroy it = { .size = sizeof(it), .id = call->id };

	struct answer answer = asked(IOMMU_DESTROY, &it);

	if (!answer.error)
		windows[call->id].offset = 0;
	return answer;
}

struct answer ioctls_make(int on, const struct batch_call *call)
{
	iommufd = on;
	switch (call->op) {
	case BATCH_CLOSE_QUEUE:
		close_file(call->id);
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
		return page_response(call);
	case BATCH_INVALIDATE:
		return invalidate(call);
	case BATCH_HWPT_UNKNOWN:
		return hwpt_unknown(call);
	case BATCH_TRACK_DIRTY:
		return track_dirty(call);
	case BATCH_MMAP:
		return map_window(call);
	case BATCH_COPY:
		return copy(call);
	case BATCH_MAP:
		return map(call);
	case BATCH_UNMAP:
		return unmap(call);
	case BATCH_ALLOW:
		return allow(call);
	case BATCH_HW_QUEUE:
		return hw_queue(call);
	case BATCH_DESTROY:
		return destroy(call);
	}
	return (struct answer){ 0, 0 };
}
