// SPDX-License-Identifier: GPL-2.0
/* What a device reports: events to its vIOMMU, and page requests to the queue of its HWPT. */
#include "iommufd_private.h"
#include "mock.h"

static struct iopf_queue *requests;

int mock_report_register(void)
{
	requests = iopf_queue_alloc("viommu_mock");
	return requests ? 0 : -ENOMEM;
}

void mock_report_unregister(void)
{
	iopf_queue_free(requests);
}

int mock_serve_faults(struct mock_device *mock, struct iommu_domain *domain)
{
	int rc;

	if (!domain || !domain->iopf_handler || mock->faulting++)
		return 0;
	rc = iopf_queue_add_device(requests, &mock->dev);
	if (rc)
		mock->faulting = 0;
	return rc;
}

void mock_serve_no_faults(struct mock_device *mock, struct iommu_domain *domain)
{
	if (domain && domain->iopf_handler && !--mock->faulting)
		iopf_queue_remove_device(requests, &mock->dev);
}

int mock_report_event(struct mock_device *mock)
{
	struct mock_event event = { .virt_id = mock->vsid };

	if (!mock->viommu || !mock->vsid)
		return -EOPNOTSUPP;
	return iommufd_viommu_report_event(mock->viommu, MOCK_TYPE, &event,
					   sizeof(event));
}

static u8 place(ioasid_t pasid)
{
	return pasid == IOMMU_NO_PASID ? 1 : 2;
}

int mock_ask_for_page(struct mock_device *mock, ioasid_t pasid)
{
	struct iopf_fault request = {
		.fault.type = IOMMU_FAULT_PAGE_REQ,
		.fault.prm.flags = IOMMU_FAULT_PAGE_REQUEST_LAST_PAGE,
		.fault.prm.pasid = pasid,
		.fault.prm.perm = IOMMU_FAULT_PERM_READ,
	};

	if (pasid != IOMMU_NO_PASID)
		request.fault.prm.flags |= IOMMU_FAULT_PAGE_REQUEST_PASID_VALID;
	mock->waiting |= place(pasid);
	return iommu_report_device_fault(&mock->dev, &request);
}

void mock_respond(struct device *dev, struct iopf_fault *fault,
		  struct iommu_page_response *response)
{
	to_mock_device(dev)->waiting &= ~place(response->pasid);
}
