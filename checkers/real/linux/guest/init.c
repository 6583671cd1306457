// SPDX-License-Identifier: MIT
/*
 * The first and only program of the guest: makes the calls of /batch, and says
 * on the console where the kernel's answer is another than the batch has. A
 * line there is
 *
 *	call INDEX ERROR ID	a call was answered otherwise
 *	look INDEX BYTES	something else was seen, in hexadecimal
 *	path INDEX NODE		a node was not reached: on the way to it a call, that
 *				of NODE, was answered otherwise, so INDEX was not visited
 *	left INDEX NTH BYTES	a refusal for want of memory left that behind
 *	odd INDEX NTH ERROR	for want of memory something else was answered
 *	warned INDEX		the kernel has warned since the last such line
 *	done KEY=NUMBER...	at the end, and only then
 *
 * where INDEX is that of a record.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <unistd.h>

#include "calls.h"

#define LOOK_SIZE sizeof(struct mock_look)
#define DEPTH 256

static struct batch batch;
static uint32_t here;		/* the record at which we are */
static struct {
	unsigned long calls, looks, differ, unreached, failed, visits;
} count;

/* The state: of which node, and whether it has been left since by a call that changes. */
static struct {
	uint32_t node;
	int reached, left, runs;
} at;

static void read_batch(void)
{
	int file = open("/batch", O_RDONLY);
	const char *why;
	struct stat status;
	void *bytes;

	must(file >= 0 && !fstat(file, &status), "open /batch");
	bytes = mmap(NULL, status.st_size, PROT_READ, MAP_PRIVATE, file, 0);
	must(bytes != MAP_FAILED, "map /batch");
	why = batch_open(&batch, bytes, status.st_size);
	if (why) {
		printf("cannot: %s\n", why);
		exit(1);
	}
}

/* An allocation fails wherever the kernel may wait for memory, and without a word. */
static void prepare_failures(void)
{
	write_file("/sys/kernel/debug/failslab/ignore-gfp-wait", "N");
	write_file("/sys/kernel/debug/failslab/verbose", "0");
}

static void say_bytes(const uint8_t *bytes, size_t size)
{
	while (size--)
		printf("%02x", *bytes++);
	putchar('\n');
}

static int same(struct answer answer, const struct batch_call *call)
{
	if (answer.error != call->error)
		return 0;
	if (answer.error && call->op != BATCH_INVALIDATE)
		return 1;
	return answer.id == call->answer;
}

/* What a look is to show, and what it shows. */
static int look_shows(const uint8_t *wanted, uint8_t *seen)
{
	static int warned;

	if (calls_look(seen) != warned) {
		warned = 1;
		printf("warned %u\n", here);
	}
	count.looks++;
	return !memcmp(wanted, seen, batch.look_size);
}

/* All calls from the root to a node; the first that goes wrong is the last. */
static void go(uint32_t node)
{
	static uint32_t path[DEPTH];
	uint32_t length = 0, step;
	const struct batch_call *call;

	at.reached = at.left = 0;
	at.node = node;
	calls_open();
	for (step = node; step; step = batch.nodes[step].parent) {
		must(length < DEPTH, "go so deep");
		path[length++] = step;
	}
	while (length--) {
		call = &batch.nodes[path[length]].call;
		count.calls++;
		if (!same(calls_make(call), call)) {
			printf("path %u %u\n", here, path[length]);
			return;
		}
	}
	at.reached = 1;
}

static void look(uint32_t node)
{
	uint8_t seen[LOOK_SIZE];

	if (look_shows(batch.looks + node * batch.look_size, seen))
		return;
	count.differ++;
	printf("look %u ", here);
	say_bytes(seen, batch.look_size);
	at.left = 1;
}

/* A call that an allocation failed in: what it refused has left nothing. */
static void nothing_left(const uint8_t *before, unsigned int nth, struct answer answer)
{
	uint8_t seen[LOOK_SIZE];

	if (answer.error != ENOMEM)
		printf("odd %u %u %u\n", here, nth, answer.error);
	if (answer.error && look_shows(before, seen))
		return;
	go(at.node);
	if (!answer.error)
		return;
	printf("left %u %u ", here, nth);
	say_bytes(seen, batch.look_size);
	count.differ++;
}

/*
 * Makes a call again and again, the first allocation failing and then the next,
 * until it needs no more of them. One that it can do without changes nothing.
 */
static struct answer call_with_failures(const struct batch_call *call)
{
	uint8_t before[LOOK_SIZE];
	struct answer answer;
	unsigned int nth;
	int failed;

	calls_look(before);
	for (nth = 1;; nth++) {
		calls_fail_allocation(nth);
		answer = calls_make(call);
		failed = calls_allocation_failed();
		calls_fail_allocation(0);
		if (!failed)
			return answer;
		count.failed++;
		if (same(answer, call))
			go(at.node);
		else
			nothing_left(before, nth, answer);
	}
}

static struct answer call_with_fault(const struct batch_call *call)
{
	struct answer answer;

	if (call->fault == BATCH_EACH_ALLOCATION)
		return call_with_failures(call);
	if (call->fault & BATCH_ALLOCATION)
		calls_fail_allocation(call->fault & ~BATCH_ALLOCATION);
	answer = calls_make(call);
	if (call->fault & BATCH_ALLOCATION)
		calls_fail_allocation(0);
	return answer;
}

/* Make a call where the last GO went. Whether it was answered as it should be. */
static int call(const struct batch_call *call)
{
	struct answer answer;

	if (at.left && !at.runs)
		go(at.node);
	if (!at.reached || at.left) {
		count.unreached++;
		return 0;
	}
	count.calls++;
	answer = call_with_fault(call);
	if (!same(answer, call)) {
		printf("call %u %u %u\n", here, answer.error, answer.id);
		count.differ++;
		at.left = 1;
		return 0;
	}
	if (call->flags & BATCH_CHANGES)
		at.left = !at.runs;
	else if (!at.runs)
		look(at.node);
	return 1;
}

static void do_batch(void)
{
	const struct batch_call *record;
	int as_told = 1;

	for (here = 0; here < batch.header->records; here++) {
		record = &batch.records[here];
		if (record->op == BATCH_GO) {
			count.visits++;
			at.runs = record->flags & BATCH_RUN;
			go(batch_node_of(record));
			as_told = at.reached;
		} else if (record->op != BATCH_LOOK) {
			as_told = call(record);
		} else if (as_told) {
			look(batch_node_of(record));
		}
	}
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	must(!mount("none", "/dev", "devtmpfs", 0, ""), "mount /dev");
	must(!mount("none", "/proc", "proc", 0, ""), "mount /proc");
	must(!mount("none", "/sys", "sysfs", 0, ""), "mount /sys");
	must(!mount("none", "/sys/kernel/debug", "debugfs", 0, ""), "mount debugfs");
	prepare_failures();
	read_batch();
	calls_begin(&batch);
	do_batch();
	printf("done calls=%lu looks=%lu differ=%lu unreached=%lu failed=%lu visits=%lu\n",
	       count.calls, count.looks, count.differ, count.unreached, count.failed,
	       count.visits);
	reboot(RB_AUTOBOOT);
	return 1;
}
