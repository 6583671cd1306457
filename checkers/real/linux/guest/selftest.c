// SPDX-License-Identifier: MIT
/*
 * Devices of the driver of the kernel's own selftest, by its operations: a device
 * comes into being bound and attached, and goes as it is destroyed. So a BIND says
 * nothing, and the ATTACH after it does both.
 */
#include <errno.h>
#include <linux/iommufd.h>
#include <string.h>
#include <sys/ioctl.h>

#include "iommufd_test.h"
#include "ways.h"

static const struct batch *batch;
static int control, file;
static struct {
	uint32_t made;		/* what to destroy, 0 if the device is not there */
	uint32_t id;
} devices[MOCK_DEVICES];

static void begin(const struct batch *of)
{
	batch = of;
	control = module_open();
}

static int operate(uint32_t operation, struct iommu_test_cmd *it)
{
	it->size = sizeof(*it);
	it->op = operation;
	return ioctl(file, IOMMU_TEST_CMD, it) ? errno : 0;
}

static struct answer answered(int error, uint32_t id)
{
	return (struct answer){ error, error ? 0 : id };
}

static struct answer bind_and_attach(const struct batch_call *call)
{
	uint8_t traits = batch->header->machine.device[call->device].traits;
	struct iommu_test_cmd it = { .id = call->id };
	int error;

	if (!(traits & MOCK_DIRTY))
		it.mock_domain_flags.dev_flags |= MOCK_FLAGS_DEVICE_NO_DIRTY;
	if (traits & MOCK_PASIDS)
		it.mock_domain_flags.dev_flags |= MOCK_FLAGS_DEVICE_PASID;
	error = operate(IOMMU_TEST_OP_MOCK_DOMAIN_FLAGS, &it);
	if (!error) {
		devices[call->device].made = it.mock_domain_flags.out_stdev_id;
		devices[call->device].id = it.mock_domain_flags.out_idev_id;
	}
	return answered(error, it.mock_domain_flags.out_hwpt_id);
}

static struct answer replace(const struct batch_call *call)
{
	struct iommu_test_cmd it = {
		.id = devices[call->device].made,
		.mock_domain_replace.pt_id = call->id,
	};
	int error = operate(IOMMU_TEST_OP_MOCK_DOMAIN_REPLACE, &it);

	return answered(error, it.mock_domain_replace.pt_id);
}

static struct answer change_pasid(const struct batch_call *call)
{
	struct iommu_test_cmd it = {
		.id = devices[call->device].made,
		.pasid_attach = { .pasid = MOCK_PASID, .pt_id = call->id },
	};
	int error = operate(call->op == BATCH_ATTACH ? IOMMU_TEST_OP_PASID_ATTACH :
						       IOMMU_TEST_OP_PASID_REPLACE,
			    &it);

	return answered(error, it.pasid_attach.pt_id);
}

static struct answer detach_pasid(uint8_t device)
{
	struct iommu_test_cmd it = {
		.id = devices[device].made,
		.pasid_detach.pasid = MOCK_PASID,
	};

	return answered(operate(IOMMU_TEST_OP_PASID_DETACH, &it), 0);
}

/* The driver leaves it to its user to detach the PASIDs first. */
static struct answer unbind(uint8_t device)
{
	struct iommu_destroy it = { .size = sizeof(it), .id = devices[device].made };
	struct answer answer = detach_pasid(device);

	if (answer.error)
		return answer;
	answer.error = ioctl(file, IOMMU_DESTROY, &it) ? errno : 0;
	if (!answer.error)
		memset(&devices[device], 0, sizeof(devices[device]));
	return answer;
}

static void let_go(void)
{
	uint8_t i;

	for (i = 0; i < batch->header->bound; i++)
		must(!devices[i].made || !unbind(i).error, "destroy a device");
}

static struct answer on_device(const struct batch_call *call, int iommufd)
{
	int pasid = call->flags & BATCH_WITH_PASID;

	file = iommufd;
	switch (call->op) {
	case BATCH_BIND:
		return answered(0, call->answer);
	case BATCH_UNBIND:
		return unbind(call->device);
	case BATCH_ATTACH:
		return pasid ? change_pasid(call) : bind_and_attach(call);
	case BATCH_REPLACE:
		return pasid ? change_pasid(call) : replace(call);
	case BATCH_DETACH:
		return pasid ? detach_pasid(call->device) : answered(ENOSYS, 0);
	default:
		return answered(ENOSYS, 0);
	}
}

static void fail(uint8_t call, uint8_t turn)
{
	(void)turn;
	must(call == MOCK_FAILS_NOT, "have a call of the selftest's driver fail");
}

static int look(int iommufd, uint8_t *seen)
{
	struct mock_looking looking = { .iommufd = iommufd };
	unsigned int i;

	for (i = 0; i < MOCK_DEVICES; i++)
		looking.other[i] = devices[i].id;
	return module_look(control, &looking, batch->header, seen);
}

/* Of a vIOMMU: in the flags is an id of a device that it knows, for what is good. */
static unsigned int entry(const struct batch_call *call, int last, uint32_t *words)
{
	unsigned int kind = last ? call->more : MOCK_ENTRY_GOOD;
	unsigned int number = kind == MOCK_ENTRY_BAD_TARGET ? MOCK_DEV_CACHE_NUM : 0;

	words[0] = kind == MOCK_ENTRY_BAD_FLAG ? IOMMU_TEST_INVALIDATE_FLAG_ALL << 1 : 0;
	words[1] = number;
	if (!(call->flags & BATCH_OF_VIOMMU))
		return 2;
	words[1] = kind == MOCK_ENTRY_OF_DEVICE ? call->device :
		   (call->flags & BATCH_GOOD_ID) / BATCH_FIRST_GOOD_ID;
	words[2] = number;
	return 3;
}

const struct way selftest_way = {
	.types = {
		.info = IOMMU_HW_INFO_TYPE_SELFTEST,
		.data = IOMMU_HWPT_DATA_SELFTEST,
		.viommu = IOMMU_VIOMMU_TYPE_SELFTEST,
		.veventq = IOMMU_VEVENTQ_TYPE_SELFTEST,
		.hw_queue = IOMMU_HW_QUEUE_TYPE_SELFTEST,
		.invalidation = IOMMU_HWPT_INVALIDATE_DATA_SELFTEST,
		.viommu_words = sizeof(struct iommu_viommu_selftest) / 8,
		.window_word = offsetof(struct iommu_viommu_selftest, out_mmap_offset) / 8,
		.reserved = MOCK_APERTURE_START,
		.entry = entry,
	},
	.begin = begin,
	.let_go = let_go,
	.on_device = on_device,
	.fail = fail,
	.look = look,
};
