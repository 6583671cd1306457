// SPDX-License-Identifier: MIT
#include "batch.h"

#include <string.h>

_Static_assert(sizeof(struct batch_call) == 8, "a record is eight bytes");
_Static_assert(sizeof(struct batch_step) == 8, "a record is eight bytes");
_Static_assert(sizeof(struct batch_node) == 12, "a node is twelve bytes");
_Static_assert(sizeof(struct batch_header) == 40, "as batch.py has it");

static const char *wrong_record(const struct batch *batch, uint32_t index)
{
	const struct batch_call *record = &batch->records[index];

	if (record->op >= BATCH_OPS)
		return "a record has an unknown operation";
	if (!index && record->op != BATCH_GO)
		return "the first record goes nowhere";
	if (record->op <= BATCH_LOOK &&
	    batch_node_of(record) >= batch->header->nodes)
		return "a record names a node that is not there";
	return NULL;
}

static const char *wrong(const struct batch *batch)
{
	const struct batch_header *header = batch->header;
	const char *why;
	uint32_t i;

	if (!header->nodes || header->slots > MOCK_OBJECTS ||
	    header->way >= BATCH_WAYS ||
	    header->machine.devices > MOCK_DEVICES ||
	    header->bound > header->machine.devices)
		return "the header has a number out of range";
	for (i = 1; i < header->nodes; i++)
		if (batch->nodes[i].parent >= i)
			return "a node comes before its parent";
	for (i = 0; i < header->records; i++) {
		why = wrong_record(batch, i);
		if (why)
			return why;
	}
	return NULL;
}

static size_t look_size(const struct batch_header *header)
{
	if (header->way == BATCH_VFIO)
		return header->bound;
	return sizeof(struct mock_object) * header->slots +
	       sizeof(struct mock_path) * header->bound + 1;
}

const char *batch_open(struct batch *batch, const void *bytes, size_t size)
{
	const struct batch_header *header = bytes;
	size_t nodes, looks, records;

	if (size < sizeof(*header) ||
	    memcmp(header->magic, BATCH_MAGIC, sizeof(header->magic)))
		return "this is no batch";
	batch->header = header;
	batch->look_size = look_size(header);
	nodes = header->nodes * sizeof(struct batch_node);
	looks = header->nodes * batch->look_size;
	looks = (looks + 3) & ~(size_t)3;
	records = header->records * sizeof(struct batch_call);
	if (size != sizeof(*header) + nodes + looks + records)
		return "the batch is not as long as its header says";
	batch->nodes = (const void *)(header + 1);
	batch->looks = (const uint8_t *)batch->nodes + nodes;
	batch->records = (const void *)(batch->looks + looks);
	return wrong(batch);
}
