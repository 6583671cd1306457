// SPDX-License-Identifier: GPL-2.0
/*
 * /dev/viommu_mock: makes the devices of a machine, and does to them what VFIO
 * does to a device when user space asks through its file.
 */
#include <linux/irqdomain.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "iommufd_private.h"
#include "mock.h"

static DEFINE_MUTEX(lock);
static struct mock_device *devices[MOCK_DEVICES];
static unsigned int number;

/* iommufd takes no device whose interrupts could reach another's owner. */
static struct irq_domain isolated = { .flags = IRQ_DOMAIN_FLAG_ISOLATED_MSI };

bool mock_uses(struct iommu_domain *domain)
{
	unsigned int i;

	for (i = 0; i < number; i++)
		if (devices[i]->path == domain ||
		    devices[i]->pasid_path == domain)
			return true;
	return false;
}

static ioasid_t which(const struct mock_call *call)
{
	return call->pasid ? MOCK_PASID : IOMMU_NO_PASID;
}

static bool *attachment(struct mock_device *mock, const struct mock_call *call)
{
	return call->pasid ? &mock->pasid_attached : &mock->attached;
}

static bool is_bound(struct mock_device *mock)
{
	return mock->idev || mock->access;
}

static int bind_to(struct iommufd_ctx *ictx, struct mock_device *mock, u32 *id)
{
	static const struct iommufd_access_ops nothing;
	struct iommufd_device *idev;
	struct iommufd_access *access;

	if (mock->is.traits & MOCK_MDEV) {
		access = iommufd_access_create(ictx, &nothing, mock, id);
		if (IS_ERR(access))
			return PTR_ERR(access);
		mock->access = access;
		return 0;
	}
	idev = iommufd_device_bind(ictx, &mock->dev, id);
	if (IS_ERR(idev))
		return PTR_ERR(idev);
	mock->idev = idev;
	return 0;
}

static int bind(struct mock_device *mock, struct mock_call *call)
{
	struct iommufd_ctx *ictx;
	int rc;

	if (is_bound(mock))
		return -EINVAL;
	ictx = iommufd_ctx_from_fd(call->iommufd);
	if (IS_ERR(ictx))
		return PTR_ERR(ictx);
	rc = bind_to(ictx, mock, &call->id);
	iommufd_ctx_put(ictx);
	return rc;
}

/* An mdev has no PASIDs, and is attached anew by the same call. */
static int attach_access(struct mock_device *mock, struct mock_call *call)
{
	int rc;

	if (call->pasid)
		return -EOPNOTSUPP;
	if (mock->attached)
		return iommufd_access_replace(mock->access, call->id);
	rc = iommufd_access_attach(mock->access, call->id);
	mock->attached = !rc;
	return rc;
}

static int detach_access(struct mock_device *mock, struct mock_call *call)
{
	if (call->pasid)
		return -EOPNOTSUPP;
	if (mock->attached)
		iommufd_access_detach(mock->access);
	mock->attached = false;
	return 0;
}

static int attach(struct mock_device *mock, struct mock_call *call)
{
	int rc;

	if (mock->access)
		return attach_access(mock, call);
	if (!mock->idev)
		return -EINVAL;
	rc = iommufd_device_attach(mock->idev, which(call), &call->id);
	if (!rc)
		*attachment(mock, call) = true;
	return rc;
}

static int replace(struct mock_device *mock, struct mock_call *call)
{
	if (!mock->idev)
		return -EINVAL;
	return iommufd_device_replace(mock->idev, which(call), &call->id);
}

static int detach(struct mock_device *mock, struct mock_call *call)
{
	if (mock->access)
		return detach_access(mock, call);
	if (!mock->idev)
		return -EINVAL;
	if (*attachment(mock, call))
		iommufd_device_detach(mock->idev, which(call));
	*attachment(mock, call) = false;
	return 0;
}

static int unbind(struct mock_device *mock, struct mock_call *call)
{
	if (!is_bound(mock))
		return -EINVAL;
	detach(mock, &(struct mock_call){ .pasid = 1 });
	detach(mock, &(struct mock_call){ .pasid = 0 });
	if (mock->idev)
		iommufd_device_unbind(mock->idev);
	else
		iommufd_access_destroy(mock->access);
	mock->idev = NULL;
	mock->access = NULL;
	return 0;
}

/* The owner is the device's own memory: no iommufd has that address. */
static int take(struct mock_device *mock)
{
	int rc;

	if (mock->taken || (mock->is.traits & MOCK_MDEV))
		return -EINVAL;
	rc = iommu_device_claim_dma_owner(&mock->dev, mock);
	mock->taken = !rc;
	return rc;
}

static int leave(struct mock_device *mock)
{
	if (!mock->taken)
		return -EINVAL;
	iommu_device_release_dma_owner(&mock->dev);
	mock->taken = false;
	return 0;
}

static void release(struct device *dev)
{
	kfree(to_mock_device(dev));
}

static int add(const struct mock_device_traits *is)
{
	struct mock_device *mock;
	int rc;

	if (is->group >= MOCK_GROUPS)
		return -EINVAL;
	mock = kzalloc(sizeof(*mock), GFP_KERNEL);
	if (!mock)
		return -ENOMEM;
	mock->is = *is;
	mock->dev.release = release;
	device_initialize(&mock->dev);
	dev_set_msi_domain(&mock->dev, &isolated);
	rc = dev_set_name(&mock->dev, "viommu_mock%u", number);
	if (!rc && (is->traits & MOCK_MDEV))
		rc = device_add(&mock->dev);
	else if (!rc)
		rc = mock_driver_add(mock);
	if (rc)
		put_device(&mock->dev);
	else
		devices[number++] = mock;
	return rc;
}

static void take_down(void)
{
	unsigned int i;

	for (i = 0; i < number; i++) {
		unbind(devices[i], NULL);
		leave(devices[i]);
	}
	while (number)
		device_unregister(&devices[--number]->dev);
	mock_driver_forget_groups();
}

static int set_up(const struct mock_machine *machine)
{
	unsigned int i;
	int rc;

	take_down();
	if (machine->devices > MOCK_DEVICES)
		return -EINVAL;
	rc = mock_driver_set(machine->driver, machine->blocks_first);
	for (i = 0; !rc && i < machine->devices; i++)
		rc = add(&machine->device[i]);
	if (rc)
		take_down();
	return rc;
}

static int look(struct mock_looking *looking)
{
	struct iommufd_ctx *ictx;

	memset(&looking->look, 0, sizeof(looking->look));
	ictx = iommufd_ctx_from_fd(looking->iommufd);
	if (IS_ERR(ictx))
		return PTR_ERR(ictx);
	mock_look_at(ictx, devices, number, looking);
	iommufd_ctx_put(ictx);
	return 0;
}

static int on_device(unsigned int command, struct mock_call *call)
{
	struct mock_device *mock;

	if (call->device >= number)
		return -ENODEV;
	mock = devices[call->device];
	switch (command) {
	case MOCK_BIND:
		return bind(mock, call);
	case MOCK_UNBIND:
		return unbind(mock, call);
	case MOCK_ATTACH:
		return attach(mock, call);
	case MOCK_REPLACE:
		return replace(mock, call);
	case MOCK_DETACH:
		return detach(mock, call);
	case MOCK_TAKE:
		return take(mock);
	case MOCK_LEAVE:
		return leave(mock);
	case MOCK_REPORT:
		return mock_report_event(mock);
	case MOCK_ASK:
		return mock_ask_for_page(mock, which(call));
	default:
		return -ENOTTY;
	}
}

static long control(struct file *file, unsigned int command,
		    unsigned long pointer)
{
	union {
		struct mock_machine machine;
		struct mock_failure failure;
		struct mock_looking looking;
		struct mock_call call;
	} in;
	void __user *user = (void __user *)pointer;
	int rc;

	if (_IOC_SIZE(command) > sizeof(in))
		return -ENOTTY;
	if (copy_from_user(&in, user, _IOC_SIZE(command)))
		return -EFAULT;
	mutex_lock(&lock);
	switch (command) {
	case MOCK_SET_UP:
		rc = set_up(&in.machine);
		break;
	case MOCK_FAIL:
		mock_fail_at(&in.failure);
		rc = 0;
		break;
	case MOCK_LOOK:
		rc = look(&in.looking);
		break;
	default:
		rc = on_device(command, &in.call);
	}
	mutex_unlock(&lock);
	if (!rc && (_IOC_DIR(command) & _IOC_READ) &&
	    copy_to_user(user, &in, _IOC_SIZE(command)))
		rc = -EFAULT;
	return rc;
}

static const struct file_operations operations = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = control,
};

static struct miscdevice control_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "viommu_mock",
	.fops = &operations,
};

static int __init mock_init(void)
{
	int rc;

	rc = mock_driver_register();
	if (rc)
		return rc;
	rc = misc_register(&control_device);
	if (rc)
		mock_driver_unregister();
	return rc;
}

static void __exit mock_exit(void)
{
	misc_deregister(&control_device);
	take_down();
	mock_driver_unregister();
}

module_init(mock_init);
module_exit(mock_exit);
MODULE_DESCRIPTION("Devices behind an IOMMU that is not there, for iommufd");
MODULE_LICENSE("GPL");
MODULE_IMPORT_NS("GENERIC_PT_IOMMU");
MODULE_IMPORT_NS("IOMMUFD");
MODULE_IMPORT_NS("IOMMUFD_INTERNAL");
