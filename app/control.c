/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A client has a call under way (rpc), or an answer waits for it (out), or it may send. Events of
 * its descriptor only say that it is worth a look; client_go() finds what is next, from the loop's
 * work function, so that no client gets more than one step a turn.
 */
#include "control.h"

#include "base/log.h"
#include "rpc.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define ROOM_KEPT 65536 /* bytes of input that an idle client keeps */
#define DEAF_MS	  1000

struct client {
	struct control *control;
	int fd; /* -1: free */
	pid_t pid;
	uint32_t events; /* watched */
	bool look;	 /* something may be done for it */
	bool ended;	 /* it sends no more: cut off when all is answered */
	bool gone;	 /* nor does it take anything: answers are thrown away */
	char *in;	 /* received from at_in to n_in, not yet taken as a request */
	size_t at_in, n_in, room;
	struct rpc *rpc;
	char *out; /* to be sent from at_out to n_out; NULL: nothing waits */
	size_t at_out, n_out;
	uint64_t taken_ms; /* when it last took something */
};

struct control {
	int fd;
	struct sockaddr_un address;
	bool made_folder;
	struct loop *loop; /* NULL: not serving yet */
	const struct registry *registry;
	struct app *app;
	uint64_t now_ms;
	uint64_t deaf_until_ms; /* no descriptor was left to accept with; 0: all well */
	struct client client[CONTROL_CLIENTS];
};

/* Of two times to sleep, of which -1 has no end. */
static int sooner(int a, int b)
{
	if (a < 0 || b < 0)
		return a < 0 ? b : a;
	return a < b ? a : b;
}

static void client_cut(struct client *c)
{
	if (!c->gone)
		loop_del(c->control->loop, c->fd);
	close(c->fd);
	if (c->rpc != NULL)
		rpc_abandon(c->rpc);
	free(c->in);
	free(c->out);
	*c = (struct client){.control = c->control, .fd = -1};
}

static void client_watch(struct client *c, uint32_t events)
{
	if (c->events != events && !c->gone)
		loop_change(c->control->loop, c->fd, events);
	c->events = events;
}

/* The other end is closed. What it sent before that is still carried out. */
static void client_hang(struct client *c)
{
	loop_del(c->control->loop, c->fd);
	c->gone = true;
	c->look = true;
}

static void client_answer(struct client *c, char *line)
{
	c->out = line;
	c->at_out = 0;
	c->n_out = line != NULL ? strlen(line) : 0;
	c->taken_ms = c->control->now_ms;
}

static void client_flush(struct client *c)
{
	while (c->at_out < c->n_out && !c->gone) {
		ssize_t n = send(c->fd, c->out + c->at_out, c->n_out - c->at_out, MSG_NOSIGNAL);

		if (n > 0) {
			c->at_out += (size_t)n;
			c->taken_ms = c->control->now_ms;
		} else if (errno == EAGAIN) {
			return;
		} else if (errno != EINTR) {
			client_hang(c);
		}
	}
	free(c->out);
	c->out = NULL;
}

/* Makes room behind what was received. False: there is none. */
static bool client_room(struct client *c)
{
	size_t room = c->room == 0 ? 4096 : 4 * c->room;
	char *grown;

	if (c->at_in > 0)
		memmove(c->in, c->in + c->at_in, c->n_in - c->at_in);
	c->n_in -= c->at_in;
	c->at_in = 0;
	if (c->n_in == 0 && c->room > ROOM_KEPT) {
		free(c->in);
		c->in = NULL;
		c->room = 0;
		room = 4096;
	}
	if (c->n_in < c->room)
		return true;
	if (c->room >= CONTROL_REQUEST)
		return false;
	grown = realloc(c->in, room);
	if (grown == NULL)
		return false;
	c->in = grown;
	c->room = room;
	return true;
}

/* False: nothing came. */
static bool client_read(struct client *c)
{
	ssize_t n;

	if (!client_room(c))
		return false;
	n = read(c->fd, c->in + c->n_in, c->room - c->n_in);
	if (n > 0)
		c->n_in += (size_t)n;
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		c->ended = true;
	return n > 0;
}

static bool is_blank(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (text[i] != ' ' && text[i] != '\t' && text[i] != '\r')
			return false;
	return true;
}

/* Begins with the next line, if all of it is there. False: it is not. */
static bool client_next(struct client *c)
{
	while (c->at_in < c->n_in) {
		char *line = c->in + c->at_in;
		size_t rest = c->n_in - c->at_in;
		char *newline = memchr(line, '\n', rest);
		size_t length = newline != NULL ? (size_t)(newline - line) : rest;

		if (newline == NULL && rest >= CONTROL_REQUEST) {
			client_answer(
				c, rpc_refusal(RPC_REQUEST, "a request is at most 1 MiB long"));
			c->at_in = c->n_in = 0;
			c->ended = true;
			return true;
		}
		if (newline == NULL && !c->ended)
			return false;
		c->at_in += length + (newline != NULL);
		if (is_blank(line, length))
			continue;
		c->rpc = rpc_begin(c->control->registry, line, length);
		if (c->rpc == NULL)
			c->ended =
				true; /* no memory: the request is lost, and the client told so */
		return true;
	}
	return false;
}

/* One step. Returns for how many milliseconds the loop may sleep on this client's account. */
static int client_go(struct client *c)
{
	if (c->rpc != NULL) {
		enum rpc_progress progress = rpc_step(c->rpc, c->control->app);

		if (progress != RPC_DONE)
			return progress == RPC_WAITS ? 1 : 0;
		client_answer(c, rpc_end(c->rpc));
		c->rpc = NULL;
	}
	if (c->out != NULL)
		client_flush(c);
	if (c->out != NULL) {
		client_watch(c, EPOLLOUT);
		c->look = false;
		return CONTROL_STALLED;
	}
	if (client_next(c) || (c->gone && client_read(c))) {
		client_watch(c, 0);
		return 0;
	}
	if (c->ended || c->gone) {
		client_cut(c);
		return -1;
	}
	client_watch(c, EPOLLIN);
	c->look = false;
	return -1;
}

static void client_ready(void *arg, uint32_t events)
{
	struct client *c = arg;

	c->look = true;
	if (events & EPOLLIN)
		client_read(c);
	if (events & (EPOLLHUP | EPOLLERR))
		client_hang(c);
}

/* NULL: this peer may talk to us; else why not. */
static const char *peer_fault(int fd, pid_t *pid)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0)
		return "who you are cannot be told";
	*pid = peer.pid;
	if (peer.uid == 0 || peer.uid == geteuid())
		return NULL;
	log_warning("control socket: user %u (process %d) was refused", peer.uid, peer.pid);
	return "only root and the user that millrace runs as may use this socket";
}

static void turn_away(int fd, enum rpc_code code, const char *why)
{
	char *line = rpc_refusal(code, why);

	/* a fresh socket has room for a line; who does not take it gets none */
	if (line != NULL && send(fd, line, strlen(line), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		log_detail("control socket: %s", strerror(errno));
	free(line);
	close(fd);
}

static struct client *free_client(struct control *control)
{
	for (int i = 0; i < CONTROL_CLIENTS; i++)
		if (control->client[i].fd < 0)
			return &control->client[i];
	return NULL;
}

static void welcome(struct control *control, int fd)
{
	struct client *c = free_client(control);
	pid_t pid = 0;
	const char *fault = peer_fault(fd, &pid);

	if (fault != NULL) {
		turn_away(fd, RPC_REFUSED, fault);
	} else if (c == NULL || loop_add(control->loop, fd, EPOLLIN, client_ready, c) != 0) {
		log_warning("control socket: too many clients; process %d was turned away", pid);
		turn_away(fd, RPC_FULL, "too many clients are connected already");
	} else {
		c->fd = fd;
		c->pid = pid;
		c->events = EPOLLIN;
	}
}

static void knock(void *arg, uint32_t events)
{
	struct control *control = arg;
	int fd = accept4(control->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)events;
	if (fd >= 0) {
		welcome(control, fd);
	} else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
		log_error("control socket: accept: %s", strerror(errno));
		loop_change(control->loop, control->fd, 0);
		control->deaf_until_ms = control->now_ms + DEAF_MS;
	}
}

int control_work(struct control *control, uint64_t now_ms)
{
	int sleep_ms = -1;

	control->now_ms = now_ms;
	for (struct client *c = control->client; c < control->client + CONTROL_CLIENTS; c++) {
		if (c->fd < 0)
			continue;
		if (c->out != NULL && now_ms - c->taken_ms > CONTROL_STALLED) {
			log_warning("control socket: process %d does not read its answer: cut off",
				c->pid);
			client_cut(c);
			continue;
		}
		if (c->look)
			sleep_ms = sooner(sleep_ms, client_go(c));
		else if (c->out != NULL)
			sleep_ms = sooner(sleep_ms, CONTROL_STALLED);
	}
	if (control->deaf_until_ms != 0 && now_ms >= control->deaf_until_ms) {
		control->deaf_until_ms = 0;
		loop_change(control->loop, control->fd, EPOLLIN);
	}
	return sleep_ms;
}

/* Whether somebody may be behind the socket: only a refused connection says that nobody is. */
static bool is_live(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool refused = fd >= 0 &&
		       connect(fd, (const struct sockaddr *)address, sizeof(*address)) != 0 &&
		       errno == ECONNREFUSED;

	if (fd >= 0)
		close(fd);
	return !refused;
}

/* Makes way for our socket: 0, or -errno when what is there must stay. */
static int clear_path(const struct sockaddr_un *address)
{
	const char *path = address->sun_path;
	struct stat st;

	if (lstat(path, &st) != 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode)) {
		log_error("%s is there already and is no socket: move it, or choose another "
			  "system.control_socket",
			path);
		return -EEXIST;
	}
	if (is_live(address)) {
		log_error("another millrace listens on %s: stop it, or choose another "
			  "system.control_socket",
			path);
		return -EADDRINUSE;
	}
	return unlink(path) == 0 ? 0 : -errno;
}

/* With the folder locked, so that of two that start at once one sees the other's socket. */
static int take_path(struct control *c)
{
	int err = clear_path(&c->address);

	if (err != 0)
		return err;
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	/* by fchmod() the file never is more open than this, by chmod() it is not less */
	if (c->fd < 0 || fchmod(c->fd, 0660) != 0 ||
		bind(c->fd, (struct sockaddr *)&c->address, sizeof(c->address)) != 0 ||
		chmod(c->address.sun_path, 0660) != 0 || listen(c->fd, CONTROL_CLIENTS) != 0)
		return -errno;
	return 0;
}

static int take_folder(struct control *c)
{
	char copy[sizeof(c->address.sun_path)];
	const char *folder;
	int fd, err;

	snprintf(copy, sizeof(copy), "%s", c->address.sun_path);
	folder = dirname(copy);
	c->made_folder = mkdir(folder, 0755) == 0;
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	err = flock(fd, LOCK_EX) == 0 ? take_path(c) : -errno;
	close(fd);
	return err;
}

int control_open(struct control **control, const char *path)
{
	struct control *c = calloc(1, sizeof(*c));
	int err;

	if (c == NULL)
		return -ENOMEM;
	c->fd = -1;
	for (int i = 0; i < CONTROL_CLIENTS; i++)
		c->client[i] = (struct client){.control = c, .fd = -1};
	c->address.sun_family = AF_UNIX;
	err = snprintf(c->address.sun_path, sizeof(c->address.sun_path), "%s", path) <
			      (int)sizeof(c->address.sun_path)
		      ? take_folder(c)
		      : -ENAMETOOLONG;
	if (err != 0) {
		if (err != -EADDRINUSE && err != -EEXIST)
			log_error("control socket %s: %s", path, strerror(-err));
		if (c->fd >= 0)
			close(c->fd);
		free(c);
		return err;
	}
	*control = c;
	return 0;
}

int control_serve(
	struct control *c, struct loop *loop, const struct registry *registry, struct app *app)
{
	c->loop = loop;
	c->registry = registry;
	c->app = app;
	return loop_add(loop, c->fd, EPOLLIN, knock, c);
}

void control_close(struct control *c)
{
	char *folder;

	if (c == NULL)
		return;
	for (int i = 0; i < CONTROL_CLIENTS; i++)
		if (c->client[i].fd >= 0)
			client_cut(&c->client[i]);
	if (c->loop != NULL)
		loop_del(c->loop, c->fd);
	close(c->fd);
	unlink(c->address.sun_path);
	folder = dirname(c->address.sun_path);
	if (c->made_folder)
		rmdir(folder); /* if nothing else is in it */
	free(c);
}
