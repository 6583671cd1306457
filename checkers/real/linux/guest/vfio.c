// SPDX-License-Identifier: MIT
/*
 * Real devices, by way of VFIO's device files. They are QEMU's edu, which writes
 * to memory when its registers say so: where that arrives tells the IOAS that
 * the device goes through, whatever anybody has recorded. Its registers are
 * reached beside VFIO, so that a device that nobody has bound is seen, too.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/iommufd.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "ways.h"

#define PCI "/sys/bus/pci/"
#define EDU_IDS "1234 11e8"
#define EDU_REGISTERS 0x100000
#define EDU_SOURCE 0x80
#define EDU_TARGET 0x88
#define EDU_COUNT 0x90
#define EDU_COMMAND 0x98
#define EDU_BUFFER 0x40000	/* is all zeros */
#define EDU_RUN 1
#define EDU_TO_MEMORY 2

/* An IOAS maps there a page that nothing else maps. */
#define TARGET 0x4000000ULL
#define PAGE 4096
#define UNTOUCHED 0xff

static const struct batch *batch;
static struct device {
	char name[16];
	char file_name[64];
	int file, bound, config;
	volatile uint8_t *registers;
} devices[MOCK_DEVICES];
static int messages;
static uint8_t pages[MOCK_OBJECTS + 1][PAGE] __attribute__((aligned(PAGE)));

static void find_file(struct device *device)
{
	char name[64];
	struct dirent *entry;
	DIR *folder;

	snprintf(name, sizeof(name), PCI "devices/%.15s/vfio-dev", device->name);
	folder = opendir(name);
	must(folder != NULL, name);
	while ((entry = readdir(folder)))
		if (!strncmp(entry->d_name, "vfio", 4))
			snprintf(device->file_name, sizeof(device->file_name),
				 "/dev/vfio/devices/%.16s", entry->d_name);
	closedir(folder);
}

static void open_device(struct device *device)
{
	device->bound = 0;
	device->file = open(device->file_name, O_RDWR);
	must(device->file >= 0, device->file_name);
}

static void prepare(struct device *device)
{
	char name[64];
	void *registers;
	int file;

	snprintf(name, sizeof(name), PCI "devices/%.15s/config", device->name);
	device->config = open(name, O_RDWR);
	must(device->config >= 0, name);
	snprintf(name, sizeof(name), PCI "devices/%.15s/resource0", device->name);
	file = open(name, O_RDWR);
	must(file >= 0, name);
	registers = mmap(NULL, EDU_REGISTERS, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	must(registers != MAP_FAILED, name);
	device->registers = registers;
	find_file(device);
	open_device(device);
}

/* The file /devices has the name of each device in a line. */
static void begin(const struct batch *of)
{
	FILE *names = fopen("/devices", "r");
	unsigned int i;

	batch = of;
	must(names != NULL, "open /devices");
	write_file(PCI "drivers/vfio-pci/new_id", EDU_IDS);
	for (i = 0; i < of->header->bound; i++) {
		must(fscanf(names, "%15s", devices[i].name) == 1, "read /devices");
		prepare(&devices[i]);
	}
	fclose(names);
	messages = open("/dev/kmsg", O_RDONLY | O_NONBLOCK);
	must(messages >= 0, "open /dev/kmsg");
}

static void unbind(struct device *device)
{
	close(device->file);
	open_device(device);
}

static void let_go(void)
{
	unsigned int i;

	for (i = 0; i < batch->header->bound; i++)
		if (devices[i].bound)
			unbind(&devices[i]);
}

static struct answer bind(struct device *device, int iommufd)
{
	struct vfio_device_bind_iommufd it = { .argsz = sizeof(it), .iommufd = iommufd };

	if (ioctl(device->file, VFIO_DEVICE_BIND_IOMMUFD, &it))
		return (struct answer){ errno, 0 };
	device->bound = 1;
	return (struct answer){ 0, it.out_devid };
}

static struct answer attach(struct device *device, const struct batch_call *call)
{
	struct vfio_device_attach_iommufd_pt it = {
		.argsz = sizeof(it),
		.pasid = MOCK_PASID,
		.pt_id = call->id,
	};

	if (call->flags & BATCH_WITH_PASID)
		it.flags = VFIO_DEVICE_ATTACH_PASID;
	if (ioctl(device->file, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &it))
		return (struct answer){ errno, 0 };
	return (struct answer){ 0, it.pt_id };
}

static struct answer detach(struct device *device, const struct batch_call *call)
{
	struct vfio_device_detach_iommufd_pt it = { .argsz = sizeof(it), .pasid = MOCK_PASID };

	if (call->flags & BATCH_WITH_PASID)
		it.flags = VFIO_DEVICE_DETACH_PASID;
	if (ioctl(device->file, VFIO_DEVICE_DETACH_IOMMUFD_PT, &it))
		return (struct answer){ errno, 0 };
	return (struct answer){ 0, 0 };
}

static struct answer on_device(const struct batch_call *call, int iommufd)
{
	struct device *device = &devices[call->device];

	switch (call->op) {
	case BATCH_BIND:
		return bind(device, iommufd);
	case BATCH_ATTACH:
	case BATCH_REPLACE:
		return attach(device, call);
	case BATCH_DETACH:
		return detach(device, call);
	case BATCH_UNBIND:
		unbind(device);
		return (struct answer){ 0, 0 };
	default:
		return (struct answer){ ENOSYS, 0 };
	}
}

static void fail(uint8_t call, uint8_t turn)
{
	(void)turn;
	must(call == MOCK_FAILS_NOT, "have a call of a real driver fail");
}

/* Each IOAS maps its page, if it does not yet; what is none refuses that. */
static void map_pages(int iommufd)
{
	unsigned int id;

	for (id = 1; id <= batch->header->slots; id++) {
		struct iommu_ioas_map it = {
			.size = sizeof(it),
			.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE |
				 IOMMU_IOAS_MAP_WRITEABLE,
			.ioas_id = id,
			.user_va = (uintptr_t)pages[id],
			.length = PAGE,
			.iova = TARGET,
		};

		ioctl(iommufd, IOMMU_IOAS_MAP, &it);
		memset(pages[id], UNTOUCHED, MOCK_DEVICES);
	}
}

static void set(struct device *device, unsigned int which, uint64_t value)
{
	*(volatile uint64_t *)(device->registers + which) = value;
}

static void start(struct device *device, uint64_t target)
{
	uint16_t command = PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;

	must(pwrite(device->config, &command, 2, PCI_COMMAND) == 2, "enable a device");
	set(device, EDU_SOURCE, EDU_BUFFER);
	set(device, EDU_TARGET, target);
	set(device, EDU_COUNT, 1);
	set(device, EDU_COMMAND, EDU_RUN | EDU_TO_MEMORY);
}

static void finish(struct device *device)
{
	static const struct timespec some = { .tv_nsec = 100000000 };

	while (*(volatile uint64_t *)(device->registers + EDU_COMMAND) & EDU_RUN)
		nanosleep(&some, NULL);
}

/* The IOAS whose page was written to, 0 if none, all ones if more than one. */
static uint8_t written(unsigned int place)
{
	unsigned int id, found = 0;

	for (id = 1; id <= batch->header->slots; id++)
		if (*(volatile uint8_t *)&pages[id][place] != UNTOUCHED)
			found = found ? UNTOUCHED : id;
	return found;
}

/* Whether the kernel has warned, as far as its messages have not been read yet. */
static int warned(void)
{
	static int ever;
	char message[1024];
	ssize_t length;

	while ((length = read(messages, message, sizeof(message) - 1)) > 0 || errno == EPIPE) {
		message[length > 0 ? length : 0] = 0;
		ever |= strstr(message, "cut here") != NULL;
	}
	return ever;
}

static int look(int iommufd, uint8_t *seen)
{
	unsigned int i, bound = batch->header->bound;

	map_pages(iommufd);
	for (i = 0; i < bound; i++)
		start(&devices[i], TARGET + i);
	for (i = 0; i < bound; i++)
		finish(&devices[i]);
	for (i = 0; i < bound; i++)
		seen[i] = written(i);
	return warned();
}

const struct way vfio_way = {
	.types = { .info = IOMMU_HW_INFO_TYPE_INTEL_VTD, .reserved = 0xfee00000, MODULE_TYPES },
	.begin = begin,
	.let_go = let_go,
	.on_device = on_device,
	.fail = fail,
	.look = look,
};
