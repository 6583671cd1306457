/* SPDX-License-Identifier: MIT */
/* The files that calls have opened, by the ids of their queues, and the windows of vIOMMUs. */
#ifndef VIOMMU_FILES_H
#define VIOMMU_FILES_H

#include "calls.h"

void files_begin(void);

/* A queue has a file; a vIOMMU a window, to be mapped from there, or none any more. */
void files_queue(uint8_t id, int file);
void files_window(uint8_t id, uint64_t offset);

/* The file of a queue is closed, or the window of a vIOMMU unmapped; or all of them. */
void files_close(uint8_t id);
void files_close_all(void);

/* The window of a vIOMMU is mapped, or half of it. */
struct answer files_map_window(int iommufd, const struct batch_call *call);

/* Reads all events that there are; the guest's id that the last of them says, 0 without any. */
uint8_t files_event(void);

/* The page request that is in a queue is answered; the id of the device that it is of. */
struct answer files_respond(uint8_t id);

#endif
