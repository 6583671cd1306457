// SPDX-License-Identifier: MIT
#include "calls.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "ioctls.h"

static const struct batch *batch;
static int control, iommufd = -1, failing;

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
	ioctls_begin();
	control = open("/dev/viommu_mock", O_RDWR);
	must(control >= 0, "open /dev/viommu_mock");
	must(!ioctl(control, MOCK_SET_UP, &machine), "set the machine up");
	failing = open("/proc/self/fail-nth", O_RDWR);
	must(failing >= 0, "open /proc/self/fail-nth");
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

	for (; call.device < batch->header->bound; call.device++)
		if (ioctl(control, MOCK_UNBIND, &call))
			ioctl(control, MOCK_LEAVE, &call);
	ioctls_close_files();
	close_iommufd();
	iommufd = open("/dev/iommu", O_RDWR);
	must(iommufd >= 0, "open /dev/iommu");
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

static struct answer make(const struct batch_call *call)
{
	struct answer answer = { 0, 0 };

	switch (call->op) {
	case BATCH_BIND:
		return on_device(call, MOCK_BIND);
	case BATCH_UNBIND:
		answer = on_device(call, MOCK_UNBIND);
		break;
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
	case BATCH_CLOSE:
		close_iommufd();
		calls_open();
		break;
	default:
		return ioctls_make(iommufd, call);
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
