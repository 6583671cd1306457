// SPDX-License-Identifier: GPL-2.0
/* What iommufd holds, and what the hardware of each device goes through. */
#include "iommufd_private.h"
#include "io_pagetable.h"
#include "mock.h"

static const u8 kinds[IOMMUFD_OBJ_MAX] = {
	[IOMMUFD_OBJ_DEVICE] = MOCK_DEVICE,
	[IOMMUFD_OBJ_IOAS] = MOCK_IOAS,
	[IOMMUFD_OBJ_HWPT_PAGING] = MOCK_HWPT_PAGING,
	[IOMMUFD_OBJ_HWPT_NESTED] = MOCK_HWPT_NESTED,
	[IOMMUFD_OBJ_VIOMMU] = MOCK_VIOMMU,
	[IOMMUFD_OBJ_VDEVICE] = MOCK_VDEVICE,
	[IOMMUFD_OBJ_FAULT] = MOCK_EVENTQ,
	[IOMMUFD_OBJ_VEVENTQ] = MOCK_EVENTQ,
	[IOMMUFD_OBJ_ACCESS] = MOCK_ACCESS,
	[IOMMUFD_OBJ_HW_QUEUE] = MOCK_HW_QUEUE,
};

/* The devices for which an IOAS keeps addresses free. */
static u8 reserved(struct iommufd_ioas *ioas, struct mock_device **devices,
		   unsigned int number)
{
	struct rb_node *node;
	unsigned int i;
	u8 seen = 0;

	node = rb_first_cached(&ioas->iopt.reserved_itree);
	for (; node; node = rb_next(node))
		for (i = 0; i < number; i++)
			if (rb_entry(node, struct iopt_reserved, node.rb)->owner ==
			    &devices[i]->dev)
				seen |= 1 << i;
	return seen;
}

/* Nobody else uses the iommufd meanwhile: init has one thread. */
static void look_at_object(struct iommufd_ctx *ictx, u32 id,
			   struct mock_device **devices, unsigned int number,
			   struct mock_object *seen)
{
	XA_STATE(place, &ictx->objects, id);
	struct iommufd_object *object;

	object = xas_load(&place);
	if (!object)
		return;
	if (xa_is_zero(object)) {
		seen->kind = MOCK_TOMBSTONE;
		return;
	}
	seen->kind = kinds[object->type] ?: MOCK_OTHER;
	seen->users = min(refcount_read(&object->users), 255U);
	if (object->type == IOMMUFD_OBJ_IOAS)
		seen->reserved = reserved(
			container_of(object, struct iommufd_ioas, obj),
			devices, number);
}

static u8 hwpt_of(struct iommu_domain *domain)
{
	if (!domain || domain->cookie_type != IOMMU_COOKIE_IOMMUFD)
		return 0;
	return domain->iommufd_hwpt->obj.id;
}

static u8 record(struct device *dev, ioasid_t pasid)
{
	struct iommu_attach_handle *handle;

	if (!dev->iommu_group)
		return 0;
	handle = iommu_attach_handle_get(dev->iommu_group, pasid, 0);
	return IS_ERR(handle) ? 0 : hwpt_of(handle->domain);
}

/* Of a device of another driver only what is recorded is to be seen. */
static struct mock_path path_of_other(struct iommufd_ctx *ictx, u8 id)
{
	struct iommufd_object *object = xa_load(&ictx->objects, id);
	struct device *dev;

	if (!object || object->type != IOMMUFD_OBJ_DEVICE)
		return (struct mock_path){};
	dev = container_of(object, struct iommufd_device, obj)->dev;
	return (struct mock_path){
		.record = record(dev, IOMMU_NO_PASID),
		.pasid_record = record(dev, MOCK_PASID),
	};
}

void mock_look_at(struct iommufd_ctx *ictx, struct mock_device **devices,
		  unsigned int number, struct mock_looking *looking)
{
	struct mock_look *look = &looking->look;
	unsigned int i;

	xa_lock(&ictx->objects);
	for (i = 0; i < MOCK_OBJECTS; i++)
		look_at_object(ictx, i + 1, devices, number, &look->object[i]);
	xa_unlock(&ictx->objects);

	for (i = 0; i < number; i++) {
		look->path[i] = (struct mock_path){
			.record = record(&devices[i]->dev, IOMMU_NO_PASID),
			.hardware = hwpt_of(devices[i]->path),
			.pasid_record = record(&devices[i]->dev, MOCK_PASID),
			.pasid_hardware = hwpt_of(devices[i]->pasid_path),
			.waiting = devices[i]->waiting,
		};
	}
	for (i = 0; i < MOCK_DEVICES; i++)
		if (looking->other[i])
			look->path[i] = path_of_other(ictx, looking->other[i]);
	look->domains = mock_driver_domains();
	look->warned = test_taint(TAINT_WARN);
}
