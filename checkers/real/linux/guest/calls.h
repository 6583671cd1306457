/* SPDX-License-Identifier: MIT */
/* The calls of a batch, made on one iommufd at a time. */
#ifndef VIOMMU_CALLS_H
#define VIOMMU_CALLS_H

#include "batch.h"

struct answer {
	uint8_t error;
	uint8_t id;
};

/* Opens what is needed and makes the machine of a batch; the program ends if it cannot. */
void calls_begin(const struct batch *batch);

/* A new, empty iommufd; that which was there is closed, devices unbound. */
void calls_open(void);

/* Makes a call of a batch, and nothing of what goes with it. */
struct answer calls_make(const struct batch_call *call);

/* What is to be seen now, in the form of a look of the batch; whether the kernel has warned. */
int calls_look(uint8_t *seen);

/* The calling thread's `nth` allocation from now on fails; 0: none. Whether one has failed since. */
void calls_fail_allocation(unsigned int nth);
int calls_allocation_failed(void);

void must(int holds, const char *what);
void write_file(const char *name, const char *text);

#endif
