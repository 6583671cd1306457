// SPDX-License-Identifier: MIT
#include "files.h"

#include <errno.h>
#include <linux/iommufd.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static int queues[256];		/* the file of each id that has one, else -1 */
static struct {
	uint64_t offset;
	void *mapped;
} windows[256];			/* of each vIOMMU that has one */

void files_begin(void)
{
	memset(queues, -1, sizeof(queues));
}

void files_queue(uint8_t id, int file)
{
	queues[id] = file;
}

void files_window(uint8_t id, uint64_t offset)
{
	windows[id].offset = offset;
}

void files_close(uint8_t id)
{
	if (queues[id] >= 0)
		close(queues[id]);
	if (windows[id].mapped)
		munmap(windows[id].mapped, MOCK_WINDOW_PAGES * MOCK_PAGE);
	queues[id] = -1;
	windows[id].mapped = NULL;
}

void files_close_all(void)
{
	int id;

	for (id = 0; id < 256; id++)
		files_close(id);
	memset(windows, 0, sizeof(windows));
}

struct answer files_map_window(int iommufd, const struct batch_call *call)
{
	size_t size = (call->more ? MOCK_WINDOW_PAGES : 1) * MOCK_PAGE;
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, iommufd,
			windows[call->id].offset);

	if (at == MAP_FAILED)
		return (struct answer){ errno, 0 };
	windows[call->id].mapped = at;
	return (struct answer){ 0, 0 };
}

uint8_t files_event(void)
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

struct answer files_respond(uint8_t id)
{
	struct iommu_hwpt_page_response response = { .code = IOMMUFD_PAGE_RESP_SUCCESS };
	struct iommu_hwpt_pgfault request;

	if (read(queues[id], &request, sizeof(request)) != sizeof(request))
		return (struct answer){ errno, 0 };
	response.cookie = request.cookie;
	if (write(queues[id], &response, sizeof(response)) != sizeof(response))
		return (struct answer){ errno, 0 };
	return (struct answer){ 0, request.dev_id };
}
