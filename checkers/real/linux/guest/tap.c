// SPDX-License-Identifier: MIT
/*
 * In place of init: runs the kernel's own selftest of iommufd, whose programs
 * say on the console what came of it, as TAP. After each there is a line
 *
 *	end PROGRAM STATUS	as it exited
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/wait.h>
#include <unistd.h>

static void must(int holds, const char *what)
{
	if (holds)
		return;
	perror(what);
	exit(1);
}

static void run(const char *program)
{
	pid_t child = fork();
	int status;

	must(child >= 0, "fork");
	if (!child) {
		execl(program, program, NULL);
		must(0, program);
	}
	must(waitpid(child, &status, 0) == child, "wait");
	printf("end %s %d\n", program, WIFEXITED(status) ? WEXITSTATUS(status) : 255);
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	must(!mount("none", "/dev", "devtmpfs", 0, ""), "mount /dev");
	must(!mount("none", "/proc", "proc", 0, ""), "mount /proc");
	must(!mount("none", "/sys", "sysfs", 0, ""), "mount /sys");
	must(!mount("none", "/sys/kernel/debug", "debugfs", 0, ""), "mount debugfs");
	run("/iommufd");
	run("/iommufd_fail_nth");
	reboot(RB_AUTOBOOT);
	return 1;
}
