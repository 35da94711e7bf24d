/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One connection for all threads. Who waits for an answer while nobody reads, reads: for all who
 * wait, until his own is there; then another takes over.
 */
#include "exchange.h"

#include "mrs/mrs.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define BUFFER (2 * SOCKETS_REQUEST_MAX)

struct waiter {
	struct waiter *next;
	pthread_cond_t answered;
	uint32_t id;
	bool done;
	int32_t result;
	char *reply;
	uint32_t room;
	uint32_t got;
};

static struct {
	pthread_mutex_t lock;	 /* of all but the buffer */
	pthread_mutex_t sending; /* whole requests */
	int fd;			 /* -1: not connected */
	bool over;		 /* it was, and will not be again */
	bool reading;		 /* a thread reads; the buffer is its own */
	uint32_t next_id;
	struct waiter *waiters;
	size_t at;
	size_t end;
	char buffer[BUFFER];
} link_ = {.lock = PTHREAD_MUTEX_INITIALIZER, .sending = PTHREAD_MUTEX_INITIALIZER, .fd = -1};

/* A child shares the stream with its parent: it must not touch it. */
static void forked(void)
{
	link_.over = true;
	if (link_.fd >= 0)
		close(link_.fd); /* or it would outlive the parent */
	link_.fd = -1;
}

static int connect_to(const char *path)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	strncpy(at.sun_path, path, sizeof(at.sun_path) - 1);
	if (connect(fd, (struct sockaddr *)&at, sizeof(at)) < 0) {
		int error = errno == ENOENT || errno == ECONNREFUSED ? ENETDOWN : errno;

		close(fd);
		return -error;
	}
	return fd;
}

int exchange_open(const char *path)
{
	int fd;

	if (path == NULL)
		path = getenv("MILLRACE_SOCKETS");
	pthread_mutex_lock(&link_.lock);
	fd = link_.over ? -ENETDOWN : link_.fd;
	if (fd == -1) {
		fd = connect_to(path != NULL ? path : MRS_PATH);
		if (fd >= 0) {
			link_.fd = fd;
			pthread_atfork(NULL, NULL, forked);
		}
	}
	pthread_mutex_unlock(&link_.lock);
	return fd < 0 ? fd : 0;
}

/* --- answers --- */

static void finish(struct waiter *w, int32_t result)
{
	w->result = result;
	w->done = true;
	pthread_cond_signal(&w->answered);
}

/* The service has gone: nobody waits any more. With the lock. */
static void all_over(void)
{
	link_.over = true;
	for (struct waiter *w = link_.waiters; w != NULL; w = w->next)
		if (!w->done)
			finish(w, -ENETDOWN);
}

static void take_answer(const struct sockets_answer *a, const char *gives)
{
	uint32_t size = a->length - (uint32_t)sizeof(*a);
	struct waiter *w = link_.waiters;

	while (w != NULL && w->id != a->id)
		w = w->next;
	if (w == NULL || w->done)
		return;
	w->got = size < w->room ? size : w->room;
	if (w->got != 0)
		memcpy(w->reply, gives, w->got);
	finish(w, a->result);
}

/* Those that are whole in the buffer; false: what came is no answer. With the lock. */
static bool take_answers(void)
{
	struct sockets_answer a;

	while (link_.end - link_.at >= sizeof(a)) {
		memcpy(&a, link_.buffer + link_.at, sizeof(a));
		if (a.length < sizeof(a) || a.length > BUFFER)
			return false;
		if (link_.end - link_.at < a.length)
			break;
		take_answer(&a, link_.buffer + link_.at + sizeof(a));
		link_.at += a.length;
	}
	memmove(link_.buffer, link_.buffer + link_.at, link_.end - link_.at);
	link_.end -= link_.at;
	link_.at = 0;
	return true;
}

/* Reads until w has its answer. With the lock, which is let go of meanwhile. */
static void read_for_all(struct waiter *w)
{
	link_.reading = true;
	while (!w->done) {
		ssize_t n;

		pthread_mutex_unlock(&link_.lock);
		n = recv(link_.fd, link_.buffer + link_.end, BUFFER - link_.end, 0);
		pthread_mutex_lock(&link_.lock);
		if (n < 0 && errno == EINTR)
			continue;
		if (n > 0)
			link_.end += (size_t)n;
		if (n <= 0 || !take_answers())
			all_over();
	}
	link_.reading = false;
	for (struct waiter *x = link_.waiters; x != NULL; x = x->next) {
		if (x->done)
			continue;
		pthread_cond_signal(&x->answered); /* it reads now */
		break;
	}
}

/* --- requests --- */

static void begin(struct waiter *w, struct sockets_request *r)
{
	pthread_cond_init(&w->answered, NULL);
	pthread_mutex_lock(&link_.lock);
	r->id = w->id = link_.next_id++;
	w->next = link_.waiters;
	link_.waiters = w;
	if (link_.over)
		finish(w, -ENETDOWN);
	pthread_mutex_unlock(&link_.lock);
}

static void wait_for(struct waiter *w)
{
	struct waiter **at = &link_.waiters;

	pthread_mutex_lock(&link_.lock);
	while (!w->done) {
		if (link_.reading)
			pthread_cond_wait(&w->answered, &link_.lock);
		else
			read_for_all(w);
	}
	while (*at != w)
		at = &(*at)->next;
	*at = w->next;
	pthread_mutex_unlock(&link_.lock);
	pthread_cond_destroy(&w->answered);
}

/* False: the service has gone. */
static bool send_all(struct iovec *v, int n)
{
	struct msghdr m = {.msg_iov = v, .msg_iovlen = (size_t)n};

	while (m.msg_iovlen > 0) {
		ssize_t sent = sendmsg(link_.fd, &m, MSG_NOSIGNAL);

		if (sent < 0 && errno != EINTR)
			return false;
		for (; sent > 0 || (m.msg_iovlen > 0 && m.msg_iov->iov_len == 0);) {
			size_t part = (size_t)sent < m.msg_iov->iov_len ? (size_t)sent
									: m.msg_iov->iov_len;

			m.msg_iov->iov_base = (char *)m.msg_iov->iov_base + part;
			m.msg_iov->iov_len -= part;
			sent -= (ssize_t)part;
			if (m.msg_iov->iov_len == 0) {
				m.msg_iov++;
				m.msg_iovlen--;
			}
		}
	}
	return true;
}

int32_t exchange(struct sockets_request *r, const struct iovec *args, int n_args, void *reply,
	uint32_t room, uint32_t *got)
{
	struct waiter w = {.reply = reply, .room = room};
	struct iovec v[3] = {{r, sizeof(*r)}};
	bool sent;

	if (link_.fd < 0)
		return link_.over ? -ENETDOWN : -EBADF;
	r->version = SOCKETS_VERSION;
	r->length = sizeof(*r);
	for (int i = 0; i < n_args; i++) {
		v[i + 1] = args[i];
		r->length += (uint32_t)args[i].iov_len;
	}
	begin(&w, r);
	pthread_mutex_lock(&link_.sending);
	sent = w.done || send_all(v, n_args + 1);
	pthread_mutex_unlock(&link_.sending);
	if (!sent) {
		pthread_mutex_lock(&link_.lock);
		all_over();
		pthread_mutex_unlock(&link_.lock);
	}
	wait_for(&w);
	if (got != NULL)
		*got = w.got;
	return w.result;
}
