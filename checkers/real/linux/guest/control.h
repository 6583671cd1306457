/* SPDX-License-Identifier: MIT */
/*
 * What init asks of the mock driver, by ioctl on /dev/viommu_mock: the part
 * that a VFIO device file plays for a real device, and a look at what iommufd
 * and the hardware hold.
 */
#ifndef VIOMMU_MOCK_CONTROL_H
#define VIOMMU_MOCK_CONTROL_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define MOCK_DEVICES 8
#define MOCK_GROUPS 8
#define MOCK_OBJECTS 15
#define MOCK_PASID 1
#define MOCK_PAGE 4096

/* The type of nested HWPTs' data, of vIOMMUs and of invalidations alike. */
#define MOCK_TYPE 0x6d6f636b

/* What a driver asks of a nested HWPT, and where it makes one. */
enum mock_driver {
	MOCK_INTEL,	/* on a nesting parent */
	MOCK_ARM,	/* under a vIOMMU */
	MOCK_SELFTEST,	/* both */
};

enum mock_trait {
	MOCK_COHERENT = 1,
	MOCK_PASIDS = 2,
	MOCK_DIRTY = 4,
	MOCK_SECOND_IOMMU = 8,
	MOCK_RESERVES = 16,	/* addresses, those from MOCK_RESERVED on */
	MOCK_MDEV = 32,		/* there is no IOMMU before it */
	MOCK_RESERVES_ALL = 64,	/* all addresses */
};

#define MOCK_RESERVED 0x100000
#define MOCK_RESERVED_SIZE 0x100000

struct mock_device_traits {
	__u8 group;
	__u8 traits;
};

/* The machine; that which was there before is taken down. */
struct mock_machine {
	__u8 driver;
	__u8 blocks_first;	/* as Intel's: nothing passes while it attaches */
	__u8 devices;
	struct mock_device_traits device[MOCK_DEVICES];
};

/* A call on the device file of a device. */
struct mock_call {
	__s32 iommufd;	/* for MOCK_BIND */
	__u8 device;
	__u8 pasid;	/* of the PASID, not of the device itself */
	__u16 zero;
	__u32 id;	/* in: what to attach to; out: what it is, or the device's */
};

/* The call of the driver that will fail, with ENOMEM; once, in its turn. */
enum mock_failing {
	MOCK_FAILS_NOT,
	MOCK_FAILS_DOMAIN,	/* it cannot make a domain */
	MOCK_FAILS_ATTACH,	/* it cannot program a device */
	MOCK_FAILS_INFO,	/* it cannot say what it is */
};

struct mock_failure {
	__u8 call;
	__u8 turn;	/* the first is 1 */
};

/* What an id names, in numbers that do not change with the kernel's. */
enum mock_kind {
	MOCK_FREE,
	MOCK_DEVICE,
	MOCK_IOAS,
	MOCK_HWPT_PAGING,
	MOCK_HWPT_NESTED,
	MOCK_VIOMMU,
	MOCK_VDEVICE,
	MOCK_EVENTQ,
	MOCK_ACCESS,
	MOCK_HW_QUEUE,
	MOCK_TOMBSTONE = 32,
	MOCK_OTHER,
};

struct mock_object {
	__u8 kind;
	__u8 users;
	__u8 reserved;	/* of an IOAS: for which devices, the first is bit 0 */
};

/* The HWPTs of a device, or 0: its group's record, and what it goes through. */
struct mock_path {
	__u8 record;
	__u8 hardware;
	__u8 pasid_record;
	__u8 pasid_hardware;
	__u8 waiting;	/* for a page: 1, 2 with the PASID */
};

struct mock_look {
	struct mock_object object[MOCK_OBJECTS];
	struct mock_path path[MOCK_DEVICES];
	__u8 domains;	/* that the driver has made and not freed */
	__u8 warned;	/* the kernel has found fault with itself */
};

struct mock_looking {
	__s32 iommufd;
	__u8 other[MOCK_DEVICES];	/* ids of devices that are another driver's */
	struct mock_look look;
};

#define MOCK_SET_UP _IOW('m', 0, struct mock_machine)
#define MOCK_BIND _IOWR('m', 1, struct mock_call)
#define MOCK_UNBIND _IOW('m', 2, struct mock_call)
#define MOCK_ATTACH _IOWR('m', 3, struct mock_call)
#define MOCK_REPLACE _IOWR('m', 4, struct mock_call)
#define MOCK_DETACH _IOW('m', 5, struct mock_call)
#define MOCK_FAIL _IOW('m', 6, struct mock_failure)
#define MOCK_LOOK _IOWR('m', 7, struct mock_looking)

/* Another comes to own the group of a device, and lets go of it. */
#define MOCK_TAKE _IOW('m', 8, struct mock_call)
#define MOCK_LEAVE _IOW('m', 9, struct mock_call)

/* A device reports an event, or asks for a page. */
#define MOCK_REPORT _IOW('m', 10, struct mock_call)
#define MOCK_ASK _IOW('m', 11, struct mock_call)

/* An event in the queue of a vIOMMU. */
struct mock_event {
	__u32 virt_id;
};

/* The data of a nested HWPT: the guest's table, 0 for none (abort, bypass). */
struct mock_nested_data {
	__u32 table;
};

/* The data of a vIOMMU: where it has a window of that length to be mapped. */
struct mock_viommu_data {
	__aligned_u64 offset;
};

#define MOCK_WINDOW_PAGES 2

enum mock_entry_kind {
	MOCK_ENTRY_GOOD = 1,
	MOCK_ENTRY_BAD_FLAG = 2,
	MOCK_ENTRY_BAD_TARGET = 3,
	MOCK_ENTRY_OF_DEVICE = 4,
};

/* One entry of an array of invalidations. */
struct mock_entry {
	__u32 kind;
	__u32 virt_id;	/* of MOCK_ENTRY_OF_DEVICE */
};

#endif
