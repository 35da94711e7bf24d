/* SPDX-License-Identifier: BSD-3-Clause */
/* One request at a time, one line each way, on a non-blocking socket and poll(). */
#include "client.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define ANSWER_MAX (64u << 20) /* bytes: more than millrace ever sends */
#define RETRY_MS   10

struct client {
	int fd;
	int timeout_ms;
	int64_t id;
	char *in; /* received and not yet taken */
	size_t n_in, room;
};

static int64_t monotonic_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* As many as millrace lets in at once may wait at its door; a further one tries again. */
static int connect_to(const struct client *c, const struct sockaddr_un *address)
{
	int64_t deadline = monotonic_ms() + c->timeout_ms;

	while (connect(c->fd, (const struct sockaddr *)address, sizeof(*address)) != 0) {
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
		if (monotonic_ms() >= deadline)
			return -ETIMEDOUT;
		poll(NULL, 0, RETRY_MS);
	}
	return 0;
}

int client_open(struct client **client, const char *path, int timeout_ms)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct client *c;
	int err;

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	strcpy(address.sun_path, path);
	c = calloc(1, sizeof(*c));
	if (c == NULL)
		return -ENOMEM;
	c->timeout_ms = timeout_ms;
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	err = c->fd < 0 ? -errno : connect_to(c, &address);
	if (err != 0) {
		client_close(c);
		return err;
	}
	*client = c;
	return 0;
}

void client_close(struct client *c)
{
	if (c == NULL)
		return;
	if (c->fd >= 0)
		close(c->fd);
	free(c->in);
	free(c);
}

/* False with errno when the time is up. */
static bool wait_for(struct client *c, short events, int64_t deadline)
{
	struct pollfd p = {.fd = c->fd, .events = events};
	int64_t left;
	int n;

	do {
		left = deadline - monotonic_ms();
		n = poll(&p, 1, left > 0 ? (int)left : 0);
	} while (n < 0 && errno == EINTR);
	if (n == 0)
		errno = ETIMEDOUT;
	return n > 0;
}

static bool send_all(struct client *c, const char *text, size_t length, int64_t deadline)
{
	while (length > 0) {
		ssize_t n = send(c->fd, text, length, MSG_NOSIGNAL);

		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return false;
		if (n < 0 && !wait_for(c, POLLOUT, deadline))
			return false;
		if (n > 0) {
			text += n;
			length -= (size_t)n;
		}
	}
	return true;
}

static bool receive_some(struct client *c, int64_t deadline)
{
	ssize_t n;

	if (c->n_in == c->room) {
		size_t room = c->room == 0 ? 65536 : 2 * c->room;
		char *grown = room <= ANSWER_MAX ? realloc(c->in, room) : NULL;

		if (grown == NULL) {
			errno = EMSGSIZE;
			return false;
		}
		c->in = grown;
		c->room = room;
	}
	do {
		if (!wait_for(c, POLLIN, deadline))
			return false;
		n = recv(c->fd, c->in + c->n_in, c->room - c->n_in, 0);
	} while (n < 0 && (errno == EAGAIN || errno == EINTR));
	if (n == 0)
		errno = ECONNRESET;
	if (n <= 0)
		return false;
	c->n_in += (size_t)n;
	return true;
}

/* The next line as JSON; NULL with errno. */
static json_t *receive(struct client *c, int64_t deadline)
{
	size_t seen = 0;
	char *newline = NULL;
	json_t *answer;

	for (;;) {
		if (c->n_in > seen)
			newline = memchr(c->in + seen, '\n', c->n_in - seen);
		if (newline != NULL)
			break;
		seen = c->n_in;
		if (!receive_some(c, deadline))
			return NULL;
	}
	answer = json_loadb(c->in, (size_t)(newline - c->in), 0, NULL);
	c->n_in -= (size_t)(newline + 1 - c->in);
	memmove(c->in, newline + 1, c->n_in);
	if (answer == NULL)
		errno = EPROTO;
	return answer;
}

/* An answer to no request in particular (its id is null) is about ours: there is no other. */
static bool is_ours(const struct client *c, const json_t *answer)
{
	const json_t *id = json_object_get(answer, "id");

	return json_is_null(id) || (json_is_integer(id) && json_integer_value(id) == c->id);
}

static bool send_request(struct client *c, const char *method, json_t *params, int64_t deadline)
{
	json_t *request = json_pack("{s:s, s:I, s:s, s:o*}", "jsonrpc", "2.0", "id",
		(json_int_t)c->id, "method", method, "params", params);
	char *text = request != NULL ? json_dumps(request, JSON_COMPACT) : NULL;
	bool sent = text != NULL && send_all(c, text, strlen(text), deadline) &&
		    send_all(c, "\n", 1, deadline);

	if (text == NULL)
		errno = EINVAL;
	free(text);
	json_decref(request);
	return sent;
}

json_t *client_call(struct client *c, const char *method, json_t *params, json_t **error)
{
	int64_t deadline = monotonic_ms() + c->timeout_ms;
	json_t *answer, *result;

	*error = NULL;
	c->id++;
	/* who closes on us may have said why before */
	if (!send_request(c, method, params, deadline) && errno != EPIPE && errno != ECONNRESET)
		return NULL;
	answer = receive(c, deadline);
	if (answer == NULL)
		return NULL;
	result = json_incref(json_object_get(answer, "result"));
	*error = json_incref(json_object_get(answer, "error"));
	if (!is_ours(c, answer) || (result == NULL) == (*error == NULL)) {
		json_decref(result);
		json_decref(*error);
		result = *error = NULL;
		errno = EPROTO;
	}
	json_decref(answer);
	return result;
}
