/* SPDX-License-Identifier: GPL-2.0 */
#ifndef VIOMMU_MOCK_H
#define VIOMMU_MOCK_H

#include <linux/device.h>
#include <linux/generic_pt/iommu.h>
#include <linux/iommu.h>
#include <linux/iommufd.h>

#include "control.h"

/* A domain of ours: an address space, or a guest's table on top of one. */
struct mock_domain {
	union {
		struct iommu_domain domain;
		struct pt_iommu iommu;
		struct pt_iommu_amdv1 amdv1;
	};
	struct mock_domain *parent;	/* of a nested one */
	struct iommufd_viommu *viommu;	/* under which it was made, if any */
	bool second;
	bool coherent;
	bool nest_parent;
	bool tracks_dirty;
	u32 table;
};

/* A device: what is in its hardware, and what user space did through its file. */
struct mock_device {
	struct device dev;
	struct mock_device_traits is;
	struct iommu_domain *path;
	struct iommu_domain *pasid_path;
	struct iommufd_viommu *viommu;	/* that knew it as vsid at the attach, unless 0 */
	unsigned long vsid;
	unsigned int faulting;	/* on how many paths page requests are served */
	u8 waiting;		/* for an answer to one: 1, 2 with the PASID */

	struct iommufd_device *idev;
	struct iommufd_access *access;	/* in its place, of an mdev */
	bool attached;
	bool pasid_attached;
	bool taken;
};

#define to_mock_device(d) container_of(d, struct mock_device, dev)

/* Strikes when the turn of a call that is to fail has come. */
bool mock_fails(enum mock_failing call);
void mock_fail_at(const struct mock_failure *failure);

int mock_driver_set(enum mock_driver driver, bool blocks_first);
int mock_driver_register(void);
void mock_driver_unregister(void);
int mock_driver_add(struct mock_device *mock);
/* No group of the last machine is there any more. */
void mock_driver_forget_groups(void);
unsigned int mock_driver_domains(void);

/* Whether some device goes through a domain. */
bool mock_uses(struct iommu_domain *domain);

/* What a device has to report. */
int mock_report_register(void);
void mock_report_unregister(void);
int mock_serve_faults(struct mock_device *mock, struct iommu_domain *domain);
void mock_serve_no_faults(struct mock_device *mock, struct iommu_domain *domain);
int mock_report_event(struct mock_device *mock);
int mock_ask_for_page(struct mock_device *mock, ioasid_t pasid);
void mock_respond(struct device *dev, struct iopf_fault *fault,
		  struct iommu_page_response *response);

void mock_look_at(struct iommufd_ctx *ictx, struct mock_device **devices,
		  unsigned int number, struct mock_looking *looking);

#endif
