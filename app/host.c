/* SPDX-License-Identifier: BSD-3-Clause */
/* The real machine: files are written, modprobe is run, the kernel is asked for routes. */
#include "host.h"

#include "client.h"

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
		execlp("modprobe", "modprobe", "-q", "--", module, (char *)NULL);
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

static json_t *ask_daemon(const struct host *h, const char *method)
{
	struct client *client;
	json_t *error = NULL, *result;

	if (client_open(&client, h->socket, CLIENT_TIMEOUT_MS) < 0)
		return NULL;
	result = client_call(client, method, NULL, &error);
	json_decref(error);
	client_close(client);
	return result;
}

/* millrace stands beside millctl, or where a package has put it. */
static void run_millrace(const char *file)
{
	static const char *const places[] = {"millrace", "../sbin/millrace"};
	char self[256], path[sizeof(self) + 32];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	self[n > 0 ? n : 0] = '\0';
	self[strrchr(self, '/') != NULL ? strrchr(self, '/') - self : 0] = '\0';
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", self, places[i]);
		execl(path, "millrace", "--plan", file, (char *)NULL);
	}
	execlp("millrace", "millrace", "--plan", file, (char *)NULL);
	fprintf(stderr, "millctl: there is no millrace to read %s\n", file);
	_exit(127);
}

/* It knows what a configuration means; its words about errors go where ours do. */
static json_t *plan_of_file(const struct host *h, const char *file)
{
	int ends[2], status = -1;
	json_t *plan = NULL;
	FILE *in;
	pid_t pid;

	(void)h;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return NULL;
	pid = fork();
	if (pid == 0) {
		dup2(ends[1], STDOUT_FILENO);
		run_millrace(file);
	}
	close(ends[1]);
	in = fdopen(ends[0], "r");
	if (in != NULL) {
		plan = json_loadf(in, 0, NULL);
		fclose(in);
	} else {
		close(ends[0]);
	}
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return plan;
}

void host_here(struct host *h, const char *socket)
{
	*h = (struct host){
		.sys = "/sys",
		.proc = "/proc",
		.run = "/run/millctl",
		.socket = socket,
		.pid = getpid(),
		.write = write_file,
		.modprobe = run_modprobe,
		.rename = rename_iface,
		.routes = kroute_each,
		.route_to = kroute_to,
		.owner = kroute_owner,
		.ask = ask_daemon,
		.plan = plan_of_file,
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
