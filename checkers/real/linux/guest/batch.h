/* SPDX-License-Identifier: MIT */
/*
 * A batch: what to do, and what is to come of it. It is a tree of calls, each
 * node of which stands for the state after the calls from the root to it, and
 * visits to nodes. All numbers are little-endian; in order there are
 *
 *	the header
 *	nodes		a parent, which comes before, and the call from there;
 *			node 0 is the empty iommufd, its call is not made
 *	looks		what is to be seen at each node
 *	records		GO to a node, calls to make there, LOOK
 *
 * Every call is made where the GO went, not after the calls before it. One that
 * is not said to change anything must leave the node as it was. After a GO that
 * begins a run calls are made after each other.
 */
#ifndef VIOMMU_BATCH_H
#define VIOMMU_BATCH_H

#include <stddef.h>
#include <stdint.h>

#include "control.h"

#define BATCH_MAGIC "viommu04"

enum batch_op {
	BATCH_GO,
	BATCH_LOOK,
	BATCH_BIND,
	BATCH_UNBIND,
	BATCH_INFO,
	BATCH_IOAS,
	BATCH_HWPT,
	BATCH_VIOMMU,
	BATCH_VDEVICE,
	BATCH_VEVENTQ,
	BATCH_FAULTQ,
	BATCH_CLOSE_QUEUE,
	BATCH_INVALIDATE,
	BATCH_MAP,
	BATCH_UNMAP,
	BATCH_ALLOW,
	BATCH_ATTACH,
	BATCH_REPLACE,
	BATCH_DETACH,
	BATCH_DESTROY,
	BATCH_CLOSE,
	BATCH_TAKE,
	BATCH_LEAVE,
	BATCH_HW_QUEUE,
	BATCH_HWPT_UNKNOWN,
	BATCH_TRACK_DIRTY,
	BATCH_MMAP,
	BATCH_COPY,
	BATCH_EVENT,
	BATCH_PAGE_REQUEST,
	BATCH_PAGE_RESPONSE,
	BATCH_OPS,
};

enum batch_flag {
	BATCH_NOTHING = 1,	/* of INVALIDATE, ALLOW */
	BATCH_EVERYTHING = 1,	/* of UNMAP */
	BATCH_ANOTHER = 1,	/* of MAP an address, of VIOMMU a type that nobody knows */
	BATCH_UNKNOWN = 1,	/* of HWPT_UNKNOWN, a flag; `more` says what data there is */
	BATCH_OF_VIOMMU = 2,	/* of INVALIDATE, by way of the selftest; and then */
	BATCH_FIRST_GOOD_ID = 4,	/* times the id of a device that is known */
	BATCH_GOOD_ID = 12,
	BATCH_NEST_PARENT = 1,	/* of HWPT */
	BATCH_DIRTY = 2,
	BATCH_WITH_PASID = 4,	/* of HWPT, ATTACH, REPLACE, DETACH, PAGE_REQUEST */
	BATCH_FAULT_ID = 8,	/* `more` has it */
	BATCH_DATA = 16,	/* `more` is the guest's table */
	BATCH_ITS_TYPE = 32,	/* of INFO */
	BATCH_RUN = 64,		/* of GO: what changes stays changed */
	BATCH_CHANGES = 128,
};

/* What is wrong with what a HW_QUEUE asks for, in its flags: nothing, or this. */
enum batch_asked {
	BATCH_NO_TYPE = 1,
	BATCH_NO_LENGTH = 2,
	BATCH_PAST_THE_END = 3,
	BATCH_ASKED = 3,
};

/* The guest's id that the first entry of an INVALIDATE names a device by, in its flags; or 0. */
#define BATCH_FIRST_ID(flags) ((flags) >> 1 & 31)

/* The data of a HWPT_UNKNOWN. */
enum batch_data {
	BATCH_NO_DATA,
	BATCH_OF_ITS_TYPE,
	BATCH_OF_ANOTHER_TYPE,
	BATCH_OF_NO_TYPE,
};

/*
 * What `fault` says: a call of the driver, of enum mock_failing, and sixteen
 * times its turn; or that an allocation fails, which, or each in turn.
 */
#define BATCH_ALLOCATION 0x80
#define BATCH_EACH_ALLOCATION 0xff

struct batch_call {
	uint8_t op;
	uint8_t device;		/* a row from 0, or the id of what `id` is for */
	uint8_t id;
	uint8_t flags;		/* of COPY the section that it goes to, in the IOAS `device` */
	uint8_t more;		/* of HW_QUEUE its index, `device` has the section */
	uint8_t fault;
	uint8_t error;		/* what is to be answered: an errno */
	uint8_t answer;		/* and, if that is 0, an id; of INVALIDATE how many were done; of EVENT
				   what it says, of PAGE_RESPONSE whose request it was */
};

struct batch_step {		/* a GO or a LOOK */
	uint8_t op;
	uint8_t zero[2];
	uint8_t flags;
	uint32_t node;
};

struct batch_node {
	uint32_t parent;
	struct batch_call call;
};

/* How devices are reached, which is also what there is to be seen. */
enum batch_way {
	BATCH_MODULE,	/* a driver of our own, which looks at everything */
	BATCH_VFIO,	/* device files: for each device the IOAS that it writes to */
	BATCH_SELFTEST,	/* the driver of the kernel's own selftest */
	BATCH_WAYS,
};

struct batch_header {
	char magic[8];
	uint32_t nodes;
	uint32_t records;
	uint8_t slots;		/* ids that are looked at */
	uint8_t bound;		/* devices that are; those after them are bridges */
	struct mock_machine machine;
	uint8_t way;
	uint8_t zero[2];
};

struct batch {
	const struct batch_header *header;
	const struct batch_node *nodes;
	const uint8_t *looks;
	const struct batch_call *records;
	size_t look_size;
};

/* Take `size` bytes for a batch. NULL, or why they are none. */
const char *batch_open(struct batch *batch, const void *bytes, size_t size);

static inline uint32_t batch_node_of(const struct batch_call *record)
{
	return ((const struct batch_step *)record)->node;
}

#endif
