// SPDX-License-Identifier: MIT
/* What the guest reads in a batch on its standard input, in words. */
#include <stdio.h>

#include "batch.h"

static void show(const struct batch_call *call)
{
	if (call->op <= BATCH_LOOK)
		printf("%u flags=%u node=%u\n", call->op, call->flags, batch_node_of(call));
	else
		printf("%u %u %u flags=%u more=%u fault=%u error=%u answer=%u\n", call->op,
		       call->device, call->id, call->flags, call->more, call->fault,
		       call->error, call->answer);
}

static void show_machine(const struct batch_header *header)
{
	const struct mock_machine *machine = &header->machine;
	unsigned int i;

	printf("driver=%u blocks_first=%u slots=%u bound=%u\n", machine->driver,
	       machine->blocks_first, header->slots, header->bound);
	for (i = 0; i < machine->devices; i++)
		printf("device group=%u traits=%u\n", machine->device[i].group,
		       machine->device[i].traits);
}

int main(void)
{
	static unsigned char bytes[1 << 20];
	struct batch batch;
	size_t size = fread(bytes, 1, sizeof(bytes), stdin), k;
	const char *why = batch_open(&batch, bytes, size);
	unsigned int i;

	if (why) {
		printf("%s\n", why);
		return 1;
	}
	show_machine(batch.header);
	for (i = 0; i < batch.header->nodes; i++) {
		printf("node parent=%u look=", batch.nodes[i].parent);
		for (k = 0; k < batch.look_size; k++)
			printf("%02x", batch.looks[i * batch.look_size + k]);
		printf(" ");
		show(&batch.nodes[i].call);
	}
	for (i = 0; i < batch.header->records; i++)
		show(&batch.records[i]);
	return 0;
}
