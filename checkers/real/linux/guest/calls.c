// SPDX-License-Identifier: MIT
#include "calls.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "files.h"
#include "ioctls.h"
#include "ways.h"

static const struct way *way;
static int iommufd = -1, failing;

void must(int holds, const char *what)
{
	if (holds)
		return;
	printf("cannot: %s: %s\n", what, strerror(errno));
	exit(1);
}

void write_file(const char *name, const char *text)
{
	int file = open(name, O_WRONLY);

	must(file >= 0 && write(file, text, strlen(text)) >= 0, name);
	close(file);
}

void calls_begin(const struct batch *batch)
{
	static const struct way *const ways[BATCH_WAYS] = {
		[BATCH_MODULE] = &module_way,
		[BATCH_VFIO] = &vfio_way,
		[BATCH_SELFTEST] = &selftest_way,
	};

	way = ways[batch->header->way];
	files_begin();
	ioctls_begin(&way->types);
	way->begin(batch);
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
	way->let_go();
	files_close_all();
	close_iommufd();
	iommufd = open("/dev/iommu", O_RDWR);
	must(iommufd >= 0, "open /dev/iommu");
}

static struct answer make(const struct batch_call *call)
{
	struct answer answer;

	switch (call->op) {
	case BATCH_BIND:
	case BATCH_UNBIND:
	case BATCH_ATTACH:
	case BATCH_REPLACE:
	case BATCH_DETACH:
	case BATCH_PAGE_REQUEST:
	case BATCH_TAKE:
	case BATCH_LEAVE:
		return way->on_device(call, iommufd);
	case BATCH_EVENT:
		answer = way->on_device(call, iommufd);
		answer.id = files_event();
		return answer;
	case BATCH_CLOSE:
		close_iommufd();
		calls_open();
		return (struct answer){ 0, 0 };
	default:
		return ioctls_make(iommufd, call);
	}
}

struct answer calls_make(const struct batch_call *call)
{
	int fails = call->fault && !(call->fault & BATCH_ALLOCATION);
	struct answer answer;

	if (fails)
		way->fail(call->fault & 15, call->fault >> 4);
	answer = make(call);
	if (fails)
		way->fail(MOCK_FAILS_NOT, 0);
	return answer;
}

int calls_look(uint8_t *seen)
{
	return way->look(iommufd, seen);
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
