// SPDX-License-Identifier: MIT
/* Devices of the mock driver, by way of the module's own file. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "ways.h"

static const struct batch *batch;
static int control;

int module_open(void)
{
	int file = open("/viommu_mock.ko", O_RDONLY);

	must(file >= 0 && !syscall(SYS_finit_module, file, "", 0), "load viommu_mock.ko");
	close(file);
	file = open("/dev/viommu_mock", O_RDWR);
	must(file >= 0, "open /dev/viommu_mock");
	return file;
}

static void begin(const struct batch *of)
{
	struct mock_machine machine = of->header->machine;

	batch = of;
	control = module_open();
	must(!ioctl(control, MOCK_SET_UP, &machine), "set the machine up");
}

static void let_go(void)
{
	struct mock_call call = { 0 };

	for (; call.device < batch->header->bound; call.device++)
		if (ioctl(control, MOCK_UNBIND, &call))
			ioctl(control, MOCK_LEAVE, &call);
}

static struct answer on_device(const struct batch_call *call, int iommufd)
{
	static const unsigned long commands[BATCH_OPS] = {
		[BATCH_BIND] = MOCK_BIND,
		[BATCH_UNBIND] = MOCK_UNBIND,
		[BATCH_ATTACH] = MOCK_ATTACH,
		[BATCH_REPLACE] = MOCK_REPLACE,
		[BATCH_DETACH] = MOCK_DETACH,
		[BATCH_EVENT] = MOCK_REPORT,
		[BATCH_PAGE_REQUEST] = MOCK_ASK,
		[BATCH_TAKE] = MOCK_TAKE,
		[BATCH_LEAVE] = MOCK_LEAVE,
	};
	struct mock_call it = {
		.iommufd = iommufd,
		.device = call->device,
		.pasid = !!(call->flags & BATCH_WITH_PASID),
		.id = call->id,
	};

	if (ioctl(control, commands[call->op], &it))
		return (struct answer){ errno, 0 };
	switch (call->op) {
	case BATCH_BIND:
	case BATCH_ATTACH:
	case BATCH_REPLACE:
		return (struct answer){ 0, it.id };
	default:
		return (struct answer){ 0, 0 };
	}
}

static void fail(uint8_t call, uint8_t turn)
{
	struct mock_failure failure = { call, turn };

	must(!ioctl(control, MOCK_FAIL, &failure), "have a call fail");
}

int module_look(int control, struct mock_looking *looking, const struct batch_header *header,
		uint8_t *seen)
{
	size_t objects = sizeof(struct mock_object) * header->slots;
	size_t paths = sizeof(struct mock_path) * header->bound;

	must(!ioctl(control, MOCK_LOOK, looking), "look");
	memcpy(seen, looking->look.object, objects);
	memcpy(seen + objects, looking->look.path, paths);
	seen[objects + paths] = looking->look.domains;
	return looking->look.warned;
}

static int look(int iommufd, uint8_t *seen)
{
	struct mock_looking looking = { .iommufd = iommufd };

	return module_look(control, &looking, batch->header, seen);
}

unsigned int module_entry(const struct batch_call *call, int last, uint32_t *words)
{
	uint8_t first = BATCH_FIRST_ID(call->flags);

	words[0] = last ? call->more : first ? MOCK_ENTRY_OF_DEVICE : MOCK_ENTRY_GOOD;
	words[1] = last ? call->device : first;
	return 2;
}

const struct way module_way = {
	.types = { .info = MOCK_TYPE, .reserved = MOCK_RESERVED, MODULE_TYPES },
	.begin = begin,
	.let_go = let_go,
	.on_device = on_device,
	.fail = fail,
	.look = look,
};
