/* SPDX-License-Identifier: BSD-3-Clause */
/* The real machine: files are written, modprobe is run, the kernel is asked for routes. */
#include "host.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), rc = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		rc = -errno;
	close(fd);
	return rc;
}

static int run_modprobe(const char *module)
{
	pid_t pid = fork();
	int status;

	if (pid < 0)
		return -errno;
	if (pid == 0) {
		execlp("modprobe", "modprobe", "-q", module, (char *)NULL);
		_exit(127);
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -ENOENT;
}

static int rename_iface(const char *iface, const char *name)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), rc = 0;
	struct ifreq r = {0};

	if (fd < 0)
		return -errno;
	strncpy(r.ifr_name, iface, IFNAMSIZ - 1);
	strncpy(r.ifr_newname, name, IFNAMSIZ - 1);
	if (ioctl(fd, SIOCSIFNAME, &r) < 0)
		rc = -errno;
	close(fd);
	return rc;
}

void host_here(struct host *h, const char *socket)
{
	*h = (struct host){
		.sys = "/sys",
		.proc = "/proc",
		.run = "/run/millrace",
		.socket = socket,
		.pid = getpid(),
		.write = write_file,
		.modprobe = run_modprobe,
		.rename = rename_iface,
		.routes = kroute_each,
		.route_to = kroute_to,
		.owner = kroute_owner,
	};
}

bool host_refuse(struct host *h, const char *fmt, ...)
{
	size_t used = strlen(h->why);
	va_list ap;

	if (used > 0 && used < sizeof(h->why) - 1)
		h->why[used++] = '\n';
	va_start(ap, fmt);
	vsnprintf(h->why + used, sizeof(h->why) - used, fmt, ap);
	va_end(ap);
	return false;
}
