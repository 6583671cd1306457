// SPDX-License-Identifier: MIT
#include "calls.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/iommufd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static const struct batch *batch;
static int control, iommufd = -1, failing;
static int queues[256];		/* the file of each id that has one, else -1 */

void must(int holds, const char *what)
{
	if (holds)
		return;
	printf("cannot: %s: %s\n", what, strerror(errno));
	exit(1);
}

void calls_begin(const struct batch *of)
{
	struct mock_machine machine = of->header->machine;

	batch = of;
	memset(queues, -1, sizeof(queues));
	control = open("/dev/viommu_mock", O_RDWR);
	must(control >= 0, "open /dev/viommu_mock");
	must(!ioctl(control, MOCK_SET_UP, &machine), "set the machine up");
	failing = open("/proc/self/fail-nth", O_RDWR);
	must(failing >= 0, "open /proc/self/fail-nth");
}

static void close_queue(uint8_t id)
{
	close(queues[id]);
	queues[id] = -1;
}

static void close_iommufd(void)
{
	if (iommufd >= 0)
		close(iommufd);
	iommufd = -1;
}

void calls_open(void)
{
	struct mock_call call = { 0 };
	int id;

	for (; call.device < batch->header->bound; call.device++)
		if (ioctl(control, MOCK_UNBIND, &call))
			ioctl(control, MOCK_LEAVE, &call);
	for (id = 0; id < 256; id++)
		if (queues[id] >= 0)
			close_queue(id);
	close_iommufd();
	iommufd = open("/dev/iommu", O_RDWR);
	must(iommufd >= 0, "open /dev/iommu");
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

static struct answer on_device(const struct batch_call *call, unsigned long command)
{
	struct mock_call it = {
		.iommufd = iommufd,
		.device = call->device,
		.pasid = !!(call->flags & BATCH_WITH_PASID),
		.id = call->id,
	};
	int rc = ioctl(control, command, &it);

	return (struct answer){ rc ? errno : 0, rc ? 0 : it.id };
}

static struct answer info(const struct batch_call *call)
{
	uint32_t data;
	struct iommu_hw_info it = {
		.size = sizeof(it),
		.dev_id = call->id,
		.flags = IOMMU_HW_INFO_FLAG_INPUT_TYPE,
		.in_data_type = call->flags & BATCH_ITS_TYPE ? MOCK_TYPE : MOCK_TYPE + 1,
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
	struct mock_nested_data data = { .table = call->more };
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
		it.data_type = MOCK_TYPE;
		it.data_len = sizeof(data);
		it.data_uptr = (uintptr_t)&data;
	}
	return made(IOMMU_HWPT_ALLOC, &it, &it.out_hwpt_id);
}

static struct answer viommu(const struct batch_call *call)
{
	struct iommu_viommu_alloc it = {
		.size = sizeof(it),
		.type = MOCK_TYPE,
		.dev_id = call->device,
		.hwpt_id = call->id,
	};

	return made(IOMMU_VIOMMU_ALLOC, &it, &it.out_viommu_id);
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
		.type = MOCK_TYPE,
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

/* No entry; or a good one and, if `more` says of what kind, another. */
static struct answer invalidate(const struct batch_call *call)
{
	struct mock_entry entries[] = {
		{ MOCK_ENTRY_GOOD, 0 }, { call->more, call->device },
	};
	struct iommu_hwpt_invalidate it = {
		.size = sizeof(it),
		.hwpt_id = call->id,
		.data_uptr = (uintptr_t)entries,
		.data_type = MOCK_TYPE,
		.entry_len = sizeof(entries[0]),
		.entry_num = call->more ? 2 : 1,
	};
	struct answer answer;

	if (call->flags & BATCH_NOTHING)
		it.entry_num = 0;
	answer = asked(IOMMU_HWPT_INVALIDATE, &it);
	answer.id = it.entry_num;
	return answer;
}

static uint8_t page[4096] __attribute__((aligned(4096)));

static uint64_t address(uint8_t section)
{
	return MOCK_RESERVED + section * sizeof(page);
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

	return asked(IOMMU_IOAS_MAP, &it);
}

static struct answer unmap(const struct batch_call *call)
{
	struct iommu_ioas_unmap it = {
		.size = sizeof(it),
		.ioas_id = call->id,
		.iova = address(call->more),
		.length = sizeof(page),
	};

	return asked(IOMMU_IOAS_UNMAP, &it);
}

static struct answer hw_queue(const struct batch_call *call)
{
	int asked = call->flags & BATCH_ASKED;
	struct iommu_hw_queue_alloc it = {
		.size = sizeof(it),
		.viommu_id = call->id,
		.type = asked == BATCH_NO_TYPE ? IOMMU_HW_QUEUE_TYPE_DEFAULT : MOCK_TYPE,
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
		MOCK_RESERVED, MOCK_RESERVED + MOCK_RESERVED_SIZE - 1,
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

	return asked(IOMMU_DESTROY, &it);
}

static struct answer make(const struct batch_call *call)
{
	struct answer answer = { 0, 0 };

	switch (call->op) {
	case BATCH_BIND:
		return on_device(call, MOCK_BIND);
	case BATCH_UNBIND:
		answer = on_device(call, MOCK_UNBIND);
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
	case BATCH_CLOSE_QUEUE:
		close_queue(call->id);
		break;
	case BATCH_INVALIDATE:
		return invalidate(call);
	case BATCH_MAP:
		return map(call);
	case BATCH_UNMAP:
		return unmap(call);
	case BATCH_ALLOW:
		return allow(call);
	case BATCH_HW_QUEUE:
		return hw_queue(call);
	case BATCH_ATTACH:
		return on_device(call, MOCK_ATTACH);
	case BATCH_REPLACE:
		return on_device(call, MOCK_REPLACE);
	case BATCH_DETACH:
		answer = on_device(call, MOCK_DETACH);
		break;
	case BATCH_TAKE:
		return on_device(call, MOCK_TAKE);
	case BATCH_LEAVE:
		return on_device(call, MOCK_LEAVE);
	case BATCH_DESTROY:
		return destroy(call);
	case BATCH_CLOSE:
		close_iommufd();
		calls_open();
		break;
	}
	answer.id = 0;
	return answer;
}

struct answer calls_make(const struct batch_call *call)
{
	struct mock_failure failure = { call->fault & 15, call->fault >> 4 };
	int fails = call->fault && !(call->fault & BATCH_ALLOCATION);
	struct answer answer;

	if (fails)
		must(!ioctl(control, MOCK_FAIL, &failure), "have a call fail");
	answer = make(call);
	failure.call = MOCK_FAILS_NOT;
	if (fails)
		must(!ioctl(control, MOCK_FAIL, &failure), "have no call fail");
	return answer;
}

int calls_look(uint8_t *seen)
{
	struct mock_looking looking = { .iommufd = iommufd };
	size_t objects = sizeof(struct mock_object) * batch->header->slots;
	size_t paths = sizeof(struct mock_path) * batch->header->bound;

	must(!ioctl(control, MOCK_LOOK, &looking), "look");
	memcpy(seen, looking.look.object, objects);
	memcpy(seen + objects, looking.look.path, paths);
	seen[objects + paths] = looking.look.domains;
	return looking.look.warned;
}

void calls_fail_allocation(unsigned int nth)
{
	char text[12];
	int length = snprintf(text, sizeof(text), "%u", nth);

	must(pwrite(failing, text, length, 0) == length, "have an allocation fail");
}

int calls_allocation_failed(void)
{
	char text[12] = "";

	must(pread(failing, text, sizeof(text) - 1, 0) > 0, "ask whether one has failed");
	return atoi(text) == 0;
}
