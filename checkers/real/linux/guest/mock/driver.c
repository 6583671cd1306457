// SPDX-License-Identifier: GPL-2.0
/*
 * The driver of an IOMMU that is not there: it keeps for each device the
 * domain that its hardware would go through, and refuses what real drivers
 * refuse. There are two such IOMMUs, and groups as the machine has them.
 */
#include <linux/module.h>
#include <linux/property.h>
#include <linux/slab.h>

#include "iommu-pages.h"
#include "iommufd_private.h"
#include "mock.h"

PT_IOMMU_CHECK_DOMAIN(struct mock_domain, iommu, domain);
PT_IOMMU_CHECK_DOMAIN(struct mock_domain, amdv1.iommu, domain);

#define MOCK_IOMMUS 2

static struct mock_iommu {
	struct bus_type bus;
	struct notifier_block added;
	struct iommu_device iommu;
} iommus[MOCK_IOMMUS] = {
	{ .bus = { .name = "viommu_mock" } },
	{ .bus = { .name = "viommu_mock_second" } },
};

static enum mock_driver driver;
static bool blocks_first;
static struct iommu_ops ops;
static struct iommu_group *groups[MOCK_GROUPS];
static struct mock_failure failing;
static unsigned int domains;

unsigned int mock_driver_domains(void)
{
	return domains;
}

static struct mock_domain *to_mock_domain(struct iommu_domain *domain)
{
	return container_of(domain, struct mock_domain, domain);
}

void mock_fail_at(const struct mock_failure *failure)
{
	failing = *failure;
}

bool mock_fails(enum mock_failing call)
{
	if (failing.call != call || --failing.turn)
		return false;
	failing.call = MOCK_FAILS_NOT;
	return true;
}

static bool second(struct mock_device *mock)
{
	return mock->is.traits & MOCK_SECOND_IOMMU;
}

/* The address space at the bottom of a domain. */
static struct mock_domain *stage2(struct mock_domain *domain)
{
	return domain->parent ?: domain;
}

/*
 * The selftest's driver asks for dirty tracking of what is attached itself,
 * and not at all of a PASID; Intel's asks for that of the parent.
 */
static bool lacks_dirty(struct mock_device *mock, struct mock_domain *domain,
			bool pasid)
{
	if (mock->is.traits & MOCK_DIRTY)
		return false;
	if (driver == MOCK_SELFTEST)
		return !pasid && domain->tracks_dirty;
	return stage2(domain)->tracks_dirty;
}

/* What Intel's driver makes in the first stage's format is for any device. */
static bool asks_for_coherency(struct mock_domain *stage2)
{
	return driver != MOCK_INTEL || stage2->nest_parent ||
	       stage2->tracks_dirty;
}

/* Under a vIOMMU the guest's id of a device must be known; not to abort. */
static int vdevice_missing(struct mock_device *mock, struct mock_domain *domain)
{
	unsigned long id;

	if (!domain->viommu || (driver == MOCK_ARM && !domain->table))
		return 0;
	return iommufd_viommu_get_vdev_id(domain->viommu, &mock->dev, &id);
}

static int refuses(struct mock_device *mock, struct mock_domain *domain,
		   bool pasid)
{
	struct mock_domain *below = stage2(domain);
	int rc = 0;

	if (driver != MOCK_INTEL && below->second != second(mock))
		return -EINVAL;
	if (!pasid)
		rc = vdevice_missing(mock, domain);
	if (rc)
		return rc;
	if (below->coherent && asks_for_coherency(below) &&
	    !(mock->is.traits & MOCK_COHERENT))
		return -EINVAL;
	return lacks_dirty(mock, domain, pasid) ? -EINVAL : 0;
}

/*
 * A device goes through a domain, or through none. Its events carry the guest's
 * id of that time; the selftest's driver looks it up for another vIOMMU only.
 */
static void go_through(struct mock_device *mock, struct iommu_domain *domain)
{
	struct iommufd_viommu *viommu =
		domain ? to_mock_domain(domain)->viommu : NULL;
	unsigned long id = 0;

	if (driver != MOCK_SELFTEST || viommu != mock->viommu) {
		if (viommu)
			iommufd_viommu_get_vdev_id(viommu, &mock->dev, &id);
		mock->vsid = id;
	}
	mock_serve_no_faults(mock, mock->path);
	mock->viommu = viommu;
	mock->path = domain;
}

static int attach(struct iommu_domain *domain, struct device *dev,
		  struct iommu_domain *old)
{
	struct mock_device *mock = to_mock_device(dev);
	int rc;

	if (blocks_first)
		go_through(mock, NULL);
	rc = refuses(mock, to_mock_domain(domain), false);
	if (!rc && mock_fails(MOCK_FAILS_ATTACH))
		rc = -ENOMEM;
	if (!rc)
		rc = mock_serve_faults(mock, domain);
	if (!rc)
		go_through(mock, domain);
	return rc;
}

static int attach_pasid(struct iommu_domain *domain, struct device *dev,
			ioasid_t pasid, struct iommu_domain *old)
{
	struct mock_device *mock = to_mock_device(dev);
	int rc;

	rc = refuses(mock, to_mock_domain(domain), true);
	if (!rc && mock_fails(MOCK_FAILS_ATTACH))
		rc = -ENOMEM;
	if (!rc)
		rc = mock_serve_faults(mock, domain);
	if (rc)
		return rc;
	mock_serve_no_faults(mock, mock->pasid_path);
	mock->pasid_path = domain;
	return 0;
}

static int block(struct iommu_domain *domain, struct device *dev,
		 struct iommu_domain *old)
{
	go_through(to_mock_device(dev), NULL);
	return 0;
}

static int block_pasid(struct iommu_domain *domain, struct device *dev,
		       ioasid_t pasid, struct iommu_domain *old)
{
	struct mock_device *mock = to_mock_device(dev);

	mock_serve_no_faults(mock, mock->pasid_path);
	mock->pasid_path = NULL;
	return 0;
}

static struct iommu_domain blocked = {
	.type = IOMMU_DOMAIN_BLOCKED,
	.ops = &(const struct iommu_domain_ops){
		.attach_dev = block,
		.set_dev_pasid = block_pasid,
	},
};

static bool enforce_coherency(struct iommu_domain *domain)
{
	to_mock_domain(domain)->coherent = true;
	return true;
}

static void free_nested(struct iommu_domain *domain)
{
	WARN_ON(mock_uses(domain));
	kfree(to_mock_domain(domain));
	domains--;
}

static void free_paging(struct iommu_domain *domain)
{
	pt_iommu_deinit(&to_mock_domain(domain)->iommu);
	free_nested(domain);
}

static void sync(struct iommu_domain *domain, struct iommu_iotlb_gather *gather)
{
	iommu_put_pages_list(&gather->freelist);
}

static int set_dirty_tracking(struct iommu_domain *domain, bool enable)
{
	return 0;
}

static const struct iommu_domain_ops paging_ops = {
	IOMMU_PT_DOMAIN_OPS(amdv1_mock),
	.attach_dev = attach,
	.set_dev_pasid = attach_pasid,
	.enforce_cache_coherency = enforce_coherency,
	.iotlb_sync = sync,
	.free = free_paging,
};

static const struct iommu_dirty_ops dirty_ops = {
	IOMMU_PT_DIRTY_OPS(amdv1_mock),
	.set_dirty_tracking = set_dirty_tracking,
};

static struct mock_domain *alloc_domain(void)
{
	struct mock_domain *new;

	if (mock_fails(MOCK_FAILS_DOMAIN))
		return ERR_PTR(-ENOMEM);
	new = kzalloc(sizeof(*new), GFP_KERNEL);
	if (!new)
		return ERR_PTR(-ENOMEM);
	domains++;
	return new;
}

static bool paging_flags(struct mock_device *mock, u32 flags)
{
	bool parent = flags & IOMMU_HWPT_ALLOC_NEST_PARENT;
	bool dirty = flags & IOMMU_HWPT_ALLOC_DIRTY_TRACKING;

	if (dirty && !(mock->is.traits & MOCK_DIRTY))
		return false;
	/* An SMMU's nesting parent is nothing else besides. */
	return driver != MOCK_ARM || !parent ||
	       flags == IOMMU_HWPT_ALLOC_NEST_PARENT;
}

static struct iommu_domain *alloc_paging(struct device *dev, u32 flags,
					 const struct iommu_user_data *data)
{
	const struct pt_iommu_amdv1_mock_cfg config = {
		.common = { .hw_max_vasz_lg2 = 56, .hw_max_oasz_lg2 = 51 },
		.starting_level = 2,
	};
	struct mock_device *mock = to_mock_device(dev);
	struct mock_domain *new;
	int rc;

	if (data || !paging_flags(mock, flags))
		return ERR_PTR(-EOPNOTSUPP);
	new = alloc_domain();
	if (IS_ERR(new))
		return ERR_CAST(new);
	new->second = second(mock);
	new->nest_parent = flags & IOMMU_HWPT_ALLOC_NEST_PARENT;
	new->domain.type = IOMMU_DOMAIN_UNMANAGED;
	new->domain.ops = &paging_ops;
	new->amdv1.iommu.nid = NUMA_NO_NODE;
	rc = pt_iommu_amdv1_mock_init(&new->amdv1, &config, GFP_KERNEL);
	if (rc) {
		free_nested(&new->domain);
		return ERR_PTR(rc);
	}
	if (flags & IOMMU_HWPT_ALLOC_DIRTY_TRACKING) {
		new->domain.dirty_ops = &dirty_ops;
		new->tracks_dirty = true;
	}
	return &new->domain;
}

static bool knows(struct iommufd_viommu *viommu, u32 virt_id)
{
	bool found;

	if (!viommu)
		return false;
	xa_lock(&viommu->vdevs);
	found = iommufd_viommu_find_dev(viommu, virt_id);
	xa_unlock(&viommu->vdevs);
	return found;
}

static int invalidate_one(struct iommufd_viommu *viommu,
			  const struct mock_entry *entry)
{
	if (entry->kind == MOCK_ENTRY_GOOD ||
	    (entry->kind == MOCK_ENTRY_OF_DEVICE && knows(viommu, entry->virt_id)))
		return 0;
	if (driver == MOCK_ARM)
		return -EIO;
	return entry->kind == MOCK_ENTRY_BAD_FLAG ? -EOPNOTSUPP : -EINVAL;
}

static int invalidate(struct iommufd_viommu *viommu,
		      struct iommu_user_data_array *array)
{
	struct mock_entry entry;
	u32 done = 0;
	int rc = 0;

	/* An SMMU's driver does not know an empty array. */
	if (array->type != MOCK_TYPE ||
	    (driver == MOCK_ARM && !array->entry_num))
		rc = -EINVAL;
	for (; !rc && done < array->entry_num; done += !rc) {
		rc = iommu_copy_struct_from_user_array(&entry, array, MOCK_TYPE,
						       done, virt_id);
		rc = rc ?: invalidate_one(viommu, &entry);
	}
	array->entry_num = done;
	return rc;
}

static int invalidate_nested(struct iommu_domain *domain,
			     struct iommu_user_data_array *array)
{
	return invalidate(NULL, array);
}

static int invalidate_viommu(struct iommufd_viommu *viommu,
			     struct iommu_user_data_array *array)
{
	return invalidate(viommu, array);
}

static const struct iommu_domain_ops nested_ops = {
	.attach_dev = attach,
	.set_dev_pasid = attach_pasid,
	.cache_invalidate_user = invalidate_nested,
	.free = free_nested,
};

/* Commands go to an SMMU by its vIOMMU, and its nested HWPTs have no PASIDs. */
static const struct iommu_domain_ops arm_nested_ops = {
	.attach_dev = attach,
	.free = free_nested,
};

static struct iommu_domain *alloc_nested_on(struct iommu_domain *parent,
					    struct iommufd_viommu *viommu,
					    const struct iommu_user_data *data)
{
	struct mock_nested_data guest;
	struct mock_domain *new;
	int rc;

	/* An SMMU's driver leaves the type to the helper, which says EINVAL. */
	if (driver != MOCK_ARM && data->type != MOCK_TYPE)
		return ERR_PTR(-EOPNOTSUPP);
	rc = iommu_copy_struct_from_user(&guest, data, MOCK_TYPE, table);
	if (rc)
		return ERR_PTR(rc);
	new = alloc_domain();
	if (IS_ERR(new))
		return ERR_CAST(new);
	new->domain.type = IOMMU_DOMAIN_NESTED;
	new->domain.ops = driver == MOCK_ARM ? &arm_nested_ops : &nested_ops;
	new->parent = to_mock_domain(parent);
	new->second = new->parent->second;
	new->viommu = viommu;
	new->table = guest.table;
	return &new->domain;
}

static struct iommu_domain *alloc_nested(struct device *dev,
					 struct iommu_domain *parent, u32 flags,
					 const struct iommu_user_data *data)
{
	if (flags & ~IOMMU_HWPT_ALLOC_PASID)
		return ERR_PTR(-EOPNOTSUPP);
	return alloc_nested_on(parent, NULL, data);
}

static struct iommu_domain *
alloc_nested_under(struct iommufd_viommu *viommu, u32 flags,
		   const struct iommu_user_data *data)
{
	u32 known = driver == MOCK_ARM ? 0 : IOMMU_HWPT_ALLOC_PASID;

	if (flags & ~known)
		return ERR_PTR(-EOPNOTSUPP);
	return alloc_nested_on(viommu->hwpt->common.domain, viommu, data);
}

#define MOCK_WINDOW_ORDER 1

static_assert(MOCK_WINDOW_PAGES == 1 << MOCK_WINDOW_ORDER);

/* Queues of a vIOMMU come one after the other, and the second needs the first. */
#define MOCK_HW_QUEUES 2

struct mock_hw_queue {
	struct iommufd_hw_queue core;
	struct mock_hw_queue *before;
	u32 index;
};

struct mock_viommu {
	struct iommufd_viommu core;
	struct mock_hw_queue *queue[MOCK_HW_QUEUES];
	unsigned long window, offset;	/* if any: its pages, and where mmap has it */
};

#define to_mock_viommu(v) container_of(v, struct mock_viommu, core)
#define to_mock_hw_queue(q) container_of(q, struct mock_hw_queue, core)

static size_t hw_queue_size(struct iommufd_viommu *viommu,
			    enum iommu_hw_queue_type type)
{
	if (type != MOCK_TYPE || driver != MOCK_SELFTEST)
		return 0;
	return HW_QUEUE_STRUCT_SIZE(struct mock_hw_queue, core);
}

static void destroy_hw_queue(struct iommufd_hw_queue *core)
{
	struct mock_hw_queue *queue = to_mock_hw_queue(core);

	to_mock_viommu(core->viommu)->queue[queue->index] = NULL;
	if (queue->before)
		iommufd_hw_queue_undepend(queue, queue->before, core);
}

static int init_hw_queue(struct iommufd_hw_queue *core, u32 index,
			 phys_addr_t address)
{
	struct mock_viommu *viommu = to_mock_viommu(core->viommu);
	struct mock_hw_queue *queue = to_mock_hw_queue(core);
	int rc = 0;

	if (index >= MOCK_HW_QUEUES)
		return -EINVAL;
	if (viommu->queue[index])
		return -EEXIST;
	if (index && !viommu->queue[index - 1])
		return -EIO;
	queue->index = index;
	if (index) {
		queue->before = viommu->queue[index - 1];
		rc = iommufd_hw_queue_depend(queue, queue->before, core);
	}
	if (rc)
		return rc;
	viommu->queue[index] = queue;
	core->destroy = destroy_hw_queue;
	return 0;
}

static void destroy_viommu(struct iommufd_viommu *core)
{
	struct mock_viommu *viommu = to_mock_viommu(core);

	if (!viommu->window)
		return;
	iommufd_viommu_destroy_mmap(core, viommu->offset);
	free_pages(viommu->window, MOCK_WINDOW_ORDER);
}

static const struct iommufd_viommu_ops viommu_ops = {
	.destroy = destroy_viommu,
	.alloc_domain_nested = alloc_nested_under,
	.cache_invalidate = invalidate_viommu,
	.get_hw_queue_size = hw_queue_size,
	.hw_queue_init_phys = init_hw_queue,
};

static size_t viommu_size(struct device *dev, enum iommu_viommu_type type)
{
	/* An SMMU's walks must all be coherent for that. */
	if (driver == MOCK_ARM && !(to_mock_device(dev)->is.traits & MOCK_COHERENT))
		return 0;
	return type == MOCK_TYPE ? VIOMMU_STRUCT_SIZE(struct mock_viommu, core) : 0;
}

static int make_window(struct mock_viommu *viommu,
		       const struct iommu_user_data *data)
{
	struct mock_viommu_data out = {};
	int rc;

	viommu->window = __get_free_pages(GFP_KERNEL, MOCK_WINDOW_ORDER);
	if (!viommu->window)
		return -ENOMEM;
	rc = iommufd_viommu_alloc_mmap(&viommu->core, __pa(viommu->window),
				       PAGE_SIZE << MOCK_WINDOW_ORDER,
				       &viommu->offset);
	if (rc)
		goto out_free;
	out.offset = viommu->offset;
	rc = iommu_copy_struct_to_user(data, &out, MOCK_TYPE, offset);
	if (!rc)
		return 0;
	iommufd_viommu_destroy_mmap(&viommu->core, viommu->offset);
out_free:
	free_pages(viommu->window, MOCK_WINDOW_ORDER);
	viommu->window = 0;
	return rc;
}

static int viommu_init(struct iommufd_viommu *viommu,
		       struct iommu_domain *parent,
		       const struct iommu_user_data *data)
{
	bool of_second = viommu->iommu_dev == &iommus[1].iommu;
	int rc = 0;

	if (to_mock_domain(parent)->second != of_second)
		return -EINVAL;
	if (driver == MOCK_SELFTEST && data)
		rc = make_window(to_mock_viommu(viommu), data);
	if (!rc)
		viommu->ops = &viommu_ops;
	return rc;
}

static void *hw_info(struct device *dev, u32 *length,
		     enum iommu_hw_info_type *type)
{
	if (*type != IOMMU_HW_INFO_TYPE_DEFAULT && *type != MOCK_TYPE)
		return ERR_PTR(-EOPNOTSUPP);
	if (mock_fails(MOCK_FAILS_INFO))
		return ERR_PTR(-ENOMEM);
	*type = MOCK_TYPE;
	*length = sizeof(u32);
	return kzalloc(sizeof(u32), GFP_KERNEL) ?: ERR_PTR(-ENOMEM);
}

static bool can(struct device *dev, enum iommu_cap cap)
{
	u8 traits = to_mock_device(dev)->is.traits;

	switch (cap) {
	case IOMMU_CAP_CACHE_COHERENCY:
		return true;
	case IOMMU_CAP_ENFORCE_CACHE_COHERENCY:
		return traits & MOCK_COHERENT;
	case IOMMU_CAP_DIRTY_TRACKING:
		return traits & MOCK_DIRTY;
	default:
		return false;
	}
}

static void reserved_regions(struct device *dev, struct list_head *list)
{
	u8 traits = to_mock_device(dev)->is.traits;
	phys_addr_t start = MOCK_RESERVED;
	size_t size = MOCK_RESERVED_SIZE;
	struct iommu_resv_region *region;

	if (!(traits & MOCK_RESERVES))
		return;
	/* All but a page at either end, which iommufd itself never gives out. */
	if (traits & MOCK_RESERVES_ALL) {
		start = PAGE_SIZE;
		size = -2 * PAGE_SIZE;
	}
	region = iommu_alloc_resv_region(start, size, 0, IOMMU_RESV_RESERVED,
					 GFP_KERNEL);
	if (region)
		list_add_tail(&region->list, list);
}

static struct iommu_device *probe(struct device *dev)
{
	return &iommus[second(to_mock_device(dev))].iommu;
}

static struct iommu_group *group_of(struct device *dev)
{
	struct iommu_group **group = &groups[to_mock_device(dev)->is.group];

	if (*group)
		return iommu_group_ref_get(*group);
	*group = generic_device_group(dev);
	return *group;
}

static struct iommu_ops ops = {
	.owner = THIS_MODULE,
	.default_domain = &blocked,
	.blocked_domain = &blocked,
	.capable = can,
	.hw_info = hw_info,
	.probe_device = probe,
	.device_group = group_of,
	.get_resv_regions = reserved_regions,
	.domain_alloc_paging_flags = alloc_paging,
	.page_response = mock_respond,
	.user_pasid_table = true,
};

int mock_driver_set(enum mock_driver as, bool blocking_first)
{
	if (as > MOCK_SELFTEST)
		return -EINVAL;
	driver = as;
	blocks_first = blocking_first;
	ops.domain_alloc_nested = as == MOCK_ARM ? NULL : alloc_nested;
	ops.get_viommu_size = as == MOCK_INTEL ? NULL : viommu_size;
	ops.viommu_init = as == MOCK_INTEL ? NULL : viommu_init;
	return 0;
}

void mock_driver_forget_groups(void)
{
	memset(groups, 0, sizeof(groups));
}

int mock_driver_add(struct mock_device *mock)
{
	struct mock_iommu *its = &iommus[second(mock)];
	const struct property_entry properties[] = {
		PROPERTY_ENTRY_U32("pasid-num-bits", 20),
		{},
	};
	int rc = 0;

	mock->dev.bus = &its->bus;
	if (mock->is.traits & MOCK_PASIDS)
		rc = device_create_managed_software_node(&mock->dev, properties,
							 NULL);
	return rc ?: iommu_mock_device_add(&mock->dev, &its->iommu);
}

static int register_one(struct mock_iommu *one)
{
	int rc;

	rc = bus_register(&one->bus);
	if (rc)
		return rc;
	one->iommu.max_pasids = 1 << 20;
	rc = iommu_device_sysfs_add(&one->iommu, NULL, NULL, "%s",
				    one->bus.name);
	if (rc)
		goto out_bus;
	rc = iommu_device_register_bus(&one->iommu, &ops, &one->bus,
				       &one->added);
	if (rc)
		goto out_sysfs;
	return 0;

out_sysfs:
	iommu_device_sysfs_remove(&one->iommu);
out_bus:
	bus_unregister(&one->bus);
	return rc;
}

static void unregister_one(struct mock_iommu *one)
{
	iommu_device_unregister_bus(&one->iommu, &one->bus, &one->added);
	iommu_device_sysfs_remove(&one->iommu);
	bus_unregister(&one->bus);
}

int mock_driver_register(void)
{
	int rc;

	rc = mock_report_register();
	if (rc)
		return rc;
	rc = register_one(&iommus[0]);
	if (rc)
		goto out_report;
	rc = register_one(&iommus[1]);
	if (!rc)
		return 0;
	unregister_one(&iommus[0]);
out_report:
	mock_report_unregister();
	return rc;
}

void mock_driver_unregister(void)
{
	unregister_one(&iommus[1]);
	unregister_one(&iommus[0]);
	mock_report_unregister();
}
