/* SPDX-License-Identifier: MIT */
/* What the kernel's selftest of iommufd asks of libcap: that a capability be cleared. */
#ifndef VIOMMU_LIBCAP_H
#define VIOMMU_LIBCAP_H

#include <linux/capability.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

typedef struct libcap {
	struct __user_cap_header_struct header;
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
} *cap_t;
typedef int cap_value_t;

enum { CAP_EFFECTIVE };
enum { CAP_CLEAR };

static inline cap_t cap_get_proc(void)
{
	cap_t caps = calloc(1, sizeof(*caps));

	if (!caps)
		return NULL;
	caps->header.version = _LINUX_CAPABILITY_VERSION_3;
	if (!syscall(SYS_capget, &caps->header, caps->data))
		return caps;
	free(caps);
	return NULL;
}

static inline int cap_set_flag(cap_t caps, int of, int number, const cap_value_t *values, int to)
{
	if (of != CAP_EFFECTIVE || to != CAP_CLEAR)
		return -1;
	while (number--)
		caps->data[CAP_TO_INDEX(values[number])].effective &=
			~CAP_TO_MASK(values[number]);
	return 0;
}

static inline int cap_set_proc(cap_t caps)
{
	return syscall(SYS_capset, &caps->header, caps->data);
}

static inline int cap_free(void *caps)
{
	free(caps);
	return 0;
}

#endif
