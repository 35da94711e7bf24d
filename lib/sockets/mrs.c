/* SPDX-License-Identifier: BSD-3-Clause */
/* The calls, each as a request. What is this side's alone: O_NONBLOCK and the time-outs. */
#include "mrs/mrs.h"

#include "exchange.h"
#include "state.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

struct socket_state socket_state[SOCKETS_MOST];

/* --- what all calls need --- */

static int result(int32_t rc)
{
	if (rc >= 0)
		return rc;
	errno = -rc;
	return -1;
}

static bool is_socket(int s)
{
	return s >= 0 && s < SOCKETS_MOST;
}

static int32_t wait_of(int s, int flags, uint32_t timeout_ms)
{
	if (!is_socket(s) || socket_state[s].nonblock || (flags & MSG_DONTWAIT))
		return 0;
	return timeout_ms == 0 ? -1 : (int32_t)timeout_ms;
}

static int32_t ask(struct sockets_request *r)
{
	return exchange(r, NULL, 0, NULL, 0, NULL);
}

/* 0 or -errno. */
static int name_in(const struct sockaddr *from, socklen_t length, struct sockets_name *name)
{
	struct sockaddr_in in;

	*name = (struct sockets_name){0};
	if (length < (socklen_t)sizeof(from->sa_family))
		return -EINVAL;
	if (from->sa_family == AF_UNSPEC)
		return 0;
	if (length < (socklen_t)sizeof(in))
		return -EINVAL;
	memcpy(&in, from, sizeof(in));
	if (in.sin_family != AF_INET)
		return -EAFNOSUPPORT;
	name->addr = ntohl(in.sin_addr.s_addr);
	name->port = ntohs(in.sin_port);
	return 0;
}

static void name_out(const struct sockets_name *name, struct sockaddr *to, socklen_t *length)
{
	struct sockaddr_in in = {.sin_family = AF_INET,
		.sin_port = htons(name->port),
		.sin_addr.s_addr = htonl(name->addr)};

	if (to == NULL || length == NULL)
		return;
	memcpy(to, &in, *length < sizeof(in) ? *length : sizeof(in));
	*length = sizeof(in);
}

static int32_t ask_with_name(
	struct sockets_request *r, const struct sockaddr *name, socklen_t length)
{
	struct sockets_name n;
	struct iovec arg = {&n, sizeof(n)};
	int rc = name_in(name, length, &n);

	return rc < 0 ? rc : exchange(r, &arg, 1, NULL, 0, NULL);
}

/* --- opening and naming --- */

int mrs_open(const char *path)
{
	return result(exchange_open(path));
}

int mrs_socket(int domain, int type, int protocol)
{
	int kind = type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC), right;
	struct sockets_request r = {.call = SOCKETS_SOCKET, .flags = (uint32_t)kind};
	int rc;

	if (domain != AF_INET)
		return result(-EAFNOSUPPORT);
	if (kind != SOCK_STREAM && kind != SOCK_DGRAM)
		return result(-ESOCKTNOSUPPORT);
	right = kind == SOCK_STREAM ? IPPROTO_TCP : IPPROTO_UDP;
	if (protocol != 0 && protocol != right)
		return result(-EPROTONOSUPPORT);
	rc = exchange_open(NULL);
	if (rc == 0)
		rc = ask(&r);
	if (is_socket(rc))
		socket_state[rc] = (struct socket_state){.nonblock = type & SOCK_NONBLOCK};
	return result(rc);
}

int mrs_bind(int socket, const struct sockaddr *name, socklen_t length)
{
	struct sockets_request r = {.call = SOCKETS_BIND, .socket = socket, .timeout_ms = -1};

	return result(ask_with_name(&r, name, length));
}

int mrs_listen(int socket, int backlog)
{
	struct sockets_request r = {.call = SOCKETS_LISTEN,
		.socket = socket,
		.timeout_ms = -1,
		.flags = backlog < 0 ? 0 : (uint32_t)backlog};

	return result(ask(&r));
}

int mrs_connect(int socket, const struct sockaddr *name, socklen_t length)
{
	struct sockets_request r = {.call = SOCKETS_CONNECT, .socket = socket};

	if (is_socket(socket))
		r.timeout_ms = wait_of(socket, 0, socket_state[socket].send_ms);
	return result(ask_with_name(&r, name, length));
}

int mrs_accept4(int socket, struct sockaddr *name, socklen_t *length, int flags)
{
	struct sockets_request r = {.call = SOCKETS_ACCEPT, .socket = socket};
	struct sockets_name peer;
	int32_t rc;

	if (is_socket(socket))
		r.timeout_ms = wait_of(socket, 0, socket_state[socket].receive_ms);
	rc = exchange(&r, NULL, 0, &peer, sizeof(peer), NULL);
	if (rc >= 0)
		name_out(&peer, name, length);
	if (is_socket(rc))
		socket_state[rc] = (struct socket_state){.nonblock = flags & SOCK_NONBLOCK};
	return result(rc);
}

int mrs_accept(int socket, struct sockaddr *name, socklen_t *length)
{
	return mrs_accept4(socket, name, length, 0);
}

static int name_of(int socket, struct sockaddr *name, socklen_t *length, uint32_t which)
{
	struct sockets_request r = {.call = SOCKETS_NAME, .socket = socket, .flags = which};
	struct sockets_name n;
	int32_t rc = exchange(&r, NULL, 0, &n, sizeof(n), NULL);

	if (rc >= 0)
		name_out(&n, name, length);
	return result(rc);
}

int mrs_getsockname(int socket, struct sockaddr *name, socklen_t *length)
{
	return name_of(socket, name, length, 0);
}

int mrs_getpeername(int socket, struct sockaddr *name, socklen_t *length)
{
	return name_of(socket, name, length, 1);
}

int mrs_shutdown(int socket, int how)
{
	struct sockets_request r = {
		.call = SOCKETS_SHUTDOWN, .socket = socket, .flags = (uint32_t)how};

	return result(ask(&r));
}

int mrs_close(int socket)
{
	struct sockets_request r = {.call = SOCKETS_CLOSE, .socket = socket, .timeout_ms = -1};

	return result(ask(&r));
}

/* --- data --- */

/* One message's worth. */
static int32_t receive(int socket, char *data, size_t size, int flags, struct sockets_name *from)
{
	struct sockets_request r = {.call = SOCKETS_RECV,
		.socket = socket,
		.flags = (uint32_t)flags & (MSG_PEEK | MSG_WAITALL | MSG_OOB | MSG_TRUNC)};
	struct sockets_recv recv = {size < SOCKETS_DATA_MAX ? (uint32_t)size : SOCKETS_DATA_MAX};
	struct iovec arg = {&recv, sizeof(recv)};
	char few[sizeof(*from) + 2048];
	char *reply = recv.size <= 2048 ? few : malloc(sizeof(*from) + recv.size);
	uint32_t got = 0;
	int32_t rc;

	if (reply == NULL)
		return -ENOMEM;
	if (is_socket(socket))
		r.timeout_ms = wait_of(socket, flags, socket_state[socket].receive_ms);
	rc = exchange(&r, &arg, 1, reply, (uint32_t)sizeof(*from) + recv.size, &got);
	if (rc >= 0 && got >= sizeof(*from)) {
		memcpy(from, reply, sizeof(*from));
		memcpy(data, reply + sizeof(*from), got - sizeof(*from));
	}
	if (reply != few)
		free(reply);
	return rc;
}

ssize_t mrs_recvfrom(
	int socket, void *data, size_t size, int flags, struct sockaddr *name, socklen_t *length)
{
	struct sockets_name from = {0};
	size_t done = 0;
	int32_t rc;

	do {
		rc = receive(socket, (char *)data + done, size - done, flags, &from);
		if (rc > 0)
			done += (size_t)rc;
	} while ((flags & MSG_WAITALL) && !(flags & (MSG_PEEK | MSG_OOB | MSG_DONTWAIT)) &&
		 rc > 0 && done < size);
	if (rc < 0 && done == 0)
		return result(rc);
	name_out(&from, name, length);
	return (ssize_t)done;
}

static int32_t transmit(
	int socket, const char *data, size_t size, int flags, const struct sockets_name *to)
{
	struct sockets_request r = {.call = SOCKETS_SEND,
		.socket = socket,
		.flags = (uint32_t)flags & (MSG_MORE | MSG_OOB)};
	struct iovec args[2] = {
		{(void *)(uintptr_t)to, sizeof(*to)}, {(void *)(uintptr_t)data, size}};

	if (is_socket(socket))
		r.timeout_ms = wait_of(socket, flags, socket_state[socket].send_ms);
	return exchange(&r, args, 2, NULL, 0, NULL);
}

ssize_t mrs_sendto(int socket, const void *data, size_t size, int flags,
	const struct sockaddr *name, socklen_t length)
{
	struct sockets_name to = {0};
	size_t done = 0;
	int32_t rc = name != NULL ? name_in(name, length, &to) : 0;

	if (rc < 0)
		return result(rc);
	do {
		size_t part = size - done < SOCKETS_DATA_MAX ? size - done : SOCKETS_DATA_MAX;
		bool last = done + part == size;

		/* only the last byte of all is urgent; before it, more comes */
		rc = transmit(socket, (const char *)data + done, part,
			last ? flags : (flags & ~MSG_OOB) | MSG_MORE, &to);
		if (rc > 0)
			done += (size_t)rc;
		if (rc < 0 || (size_t)rc < part)
			break;
	} while (done < size);
	if (rc == -EPIPE && done == 0 && !(flags & MSG_NOSIGNAL))
		pthread_kill(pthread_self(), SIGPIPE);
	return rc < 0 && done == 0 ? result(rc) : (ssize_t)done;
}

ssize_t mrs_recv(int socket, void *data, size_t size, int flags)
{
	return mrs_recvfrom(socket, data, size, flags, NULL, NULL);
}

ssize_t mrs_send(int socket, const void *data, size_t size, int flags)
{
	return mrs_sendto(socket, data, size, flags, NULL, 0);
}

ssize_t mrs_read(int socket, void *data, size_t size)
{
	return mrs_recvfrom(socket, data, size, 0, NULL, NULL);
}

ssize_t mrs_write(int socket, const void *data, size_t size)
{
	return mrs_sendto(socket, data, size, 0, NULL, 0);
}

/* --- control --- */

/* Whether the number is one of ours: the answer of a call that does nothing else. */
static int32_t count(int socket, uint32_t what)
{
	struct sockets_request r = {.call = SOCKETS_COUNT, .socket = socket, .flags = what};

	return ask(&r);
}

int mrs_fcntl(int socket, int command, int value)
{
	int32_t rc = count(socket, SOCKETS_AT_MARK);

	if (rc < 0)
		return result(rc);
	if (command == F_GETFL)
		return O_RDWR | (socket_state[socket].nonblock ? O_NONBLOCK : 0);
	if (command != F_SETFL)
		return result(-EINVAL);
	socket_state[socket].nonblock = value & O_NONBLOCK;
	return 0;
}

int mrs_ioctl(int socket, unsigned long request, int *value)
{
	uint32_t what = request == FIONREAD   ? SOCKETS_UNREAD
			: request == SIOCOUTQ ? SOCKETS_UNACKED
					      : SOCKETS_AT_MARK;
	int32_t rc = count(socket, what);

	if (rc < 0)
		return result(rc);
	if (request == FIONBIO)
		socket_state[socket].nonblock = *value != 0;
	else if (request == FIONREAD || request == SIOCOUTQ || request == SIOCATMARK)
		*value = rc;
	else
		return result(-ENOTTY);
	return 0;
}

int mrs_poll(struct pollfd *fds, nfds_t n, int timeout_ms)
{
	struct sockets_request r = {
		.call = SOCKETS_POLL, .timeout_ms = timeout_ms < 0 ? -1 : timeout_ms};
	struct sockets_poll few[16], *p = few;
	struct iovec arg;
	int32_t rc;

	if (n > SOCKETS_POLL_MAX)
		return result(-EINVAL);
	rc = exchange_open(NULL); /* to wait for time alone is legal, too */
	if (rc < 0)
		return result(rc);
	if (n > 16)
		p = malloc(n * sizeof(*p));
	if (p == NULL)
		return result(-ENOMEM);
	for (nfds_t i = 0; i < n; i++)
		p[i] = (struct sockets_poll){.socket = fds[i].fd, .events = fds[i].events};
	arg = (struct iovec){p, n * sizeof(*p)};
	rc = exchange(&r, &arg, 1, p, (uint32_t)(n * sizeof(*p)), NULL);
	for (nfds_t i = 0; rc >= 0 && i < n; i++)
		fds[i].revents = p[i].revents;
	if (p != few)
		free(p);
	return result(rc);
}
