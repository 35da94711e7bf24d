/* SPDX-License-Identifier: BSD-3-Clause */
/* The Unix socket at which programs find the socket service, and who may use it. */
#include "sockets_listen.h"

#include "base/log.h"

#include <errno.h>
#include <grp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 4096

/* A socket that nobody listens on is left from a process that was killed. */
static void remove_stale(const struct sockaddr_un *at)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd >= 0 && connect(fd, (const struct sockaddr *)at, sizeof(*at)) < 0 &&
		errno == ECONNREFUSED)
		unlink(at->sun_path);
	if (fd >= 0)
		close(fd);
}

/* Who may connect. */
static int admit(const char *path, const char *name)
{
	const struct group *g;

	if (name[0] == '\0')
		return 0;
	g = getgrnam(name);
	if (g == NULL) {
		log_error("system.socket_group: there is no group %s", name);
		return -ENOENT;
	}
	if (chown(path, (uid_t)-1, g->gr_gid) < 0 || chmod(path, 0660) < 0)
		return -errno;
	return 0;
}

/* Nobody but the owner finds it before it is decided who may. */
static int bind_closed(int fd, const struct sockaddr_un *at)
{
	mode_t mask = umask(0177);
	int rc = bind(fd, (const struct sockaddr *)at, sizeof(*at)) < 0 ? -errno : 0;

	umask(mask);
	return rc;
}

int sockets_listen(const char *path, const char *group)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), rc;

	if (fd < 0)
		return -errno;
	strncpy(at.sun_path, path, sizeof(at.sun_path) - 1);
	remove_stale(&at);
	rc = bind_closed(fd, &at);
	if (rc == 0) {
		rc = admit(path, group);
		if (rc == 0 && listen(fd, BACKLOG) < 0)
			rc = -errno;
		if (rc < 0)
			unlink(path);
	}
	if (rc < 0)
		close(fd);
	return rc < 0 ? rc : fd;
}
