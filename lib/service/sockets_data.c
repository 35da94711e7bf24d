/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Receiving and sending. What came lies in the buffers in which it came until it is copied into an
 * answer; then the worker hears that it was read, and the peer's window opens. What goes is
 * copied into buffers of the worker's; a socket has its send buffer's worth of them under way.
 */
#include "sockets_inner.h"

#include <string.h>
#include <sys/socket.h>

#define DATAGRAM_MAX 65507 /* bytes of data (RFC 768 in RFC 791) */

/* --- the stream that came --- */

uint32_t sock_readable(const struct sock *s)
{
	uint32_t to_mark = s->urgent_at - s->at;

	if (!s->urgent || to_mark >= s->unread)
		return s->unread;
	if (to_mark != 0)
		return to_mark;
	return s->oob_inline ? s->unread : s->unread - 1;
}

/* n bytes from `from` on, of s->unread. */
static void copy_out(const struct sock *s, char *to, uint32_t from, uint32_t n)
{
	const struct rte_mbuf *m = s->in;

	for (from += s->skip; from >= m->data_len; m = m->next)
		from -= m->data_len;
	for (; n > 0; m = m->next) {
		uint32_t part = RTE_MIN(n, m->data_len - from);

		memcpy(to, rte_pktmbuf_mtod_offset(m, const char *, from), part);
		to += part;
		n -= part;
		from = 0;
	}
}

/* The first n bytes were read. */
static void take(struct sock *s, uint32_t n)
{
	struct ask a = {.kind = ASK_TAKEN, .n = n};
	struct rte_mbuf *last = NULL;

	s->unread -= n;
	s->at += n;
	s->skip += n;
	if (s->urgent && s->at - s->urgent_at - 1 < UINT32_MAX / 2)
		s->urgent = false;
	while (s->in != NULL && s->skip >= s->in->data_len) {
		struct rte_mbuf *m = s->in;

		/* the last may grow yet, but an empty one holds nobody's data */
		s->skip -= m->data_len;
		s->in = m->next;
		m->next = NULL;
		if (last == NULL)
			a.m = m;
		else
			last->next = m;
		last = m;
	}
	if (s->in == NULL)
		s->in_last = NULL;
	sock_ask(s, &a);
}

/* The urgent byte, wherever it is in the stream (as Linux has it: never waits). */
static int32_t recv_urgent(struct sock *s, bool peek, char *to)
{
	uint32_t from = s->urgent_at - s->at;

	if (s->oob_inline || !s->urgent || s->urgent_read)
		return -EINVAL;
	if (from >= s->unread)
		return s->fin ? 0 : -EAGAIN;
	copy_out(s, to, from, 1);
	s->urgent_read = !peek;
	return 1;
}

/* Nothing is there to be read. */
static int32_t recv_nothing(struct sock *s, const struct call *k)
{
	if (s->eof)
		return 0;
	if (s->error != 0)
		return -sock_take_error(s);
	if (s->fin || s->shut_rd || s->failed)
		return 0;
	return s->state == SOCK_NEW || s->state == SOCK_LISTENS ? -ENOTCONN : call_wait(k);
}

/* MSG_WAITALL: more may come, and the window has room for it. */
static bool waits_for_all(const struct sock *s, const struct call *k, uint32_t n, uint32_t size)
{
	return (k->r.flags & MSG_WAITALL) && k->may_wait && n < size && n == s->unread && !s->fin &&
	       !s->shut_rd && s->error == 0 && n < s->options.tcp.receive_buffer / 4;
}

static int32_t recv_tcp(struct sock *s, struct call *k, struct reply *r, uint32_t size)
{
	char *to = r->data + sizeof(struct sockets_name);
	bool peek = k->r.flags & MSG_PEEK;
	int32_t n;

	if (k->r.flags & MSG_OOB) {
		n = recv_urgent(s, peek, to);
	} else {
		if (s->urgent && !s->oob_inline && s->at == s->urgent_at && s->unread != 0)
			take(s, 1); /* who wanted it has read it */
		n = (int32_t)RTE_MIN(size, sock_readable(s));
		if (n == 0)
			return size == 0 && s->state == SOCK_OPEN ? 0 : recv_nothing(s, k);
		if (waits_for_all(s, k, (uint32_t)n, size))
			return CALL_WAITS;
		copy_out(s, to, 0, (uint32_t)n);
		if (!peek)
			take(s, (uint32_t)n);
	}
	if (n > 0)
		r->size += (uint32_t)n;
	return n;
}

/* --- datagrams that came --- */

static int32_t recv_udp(struct sock *s, struct call *k, struct reply *r, uint32_t size)
{
	struct datagram *d = STAILQ_FIRST(&s->datagrams);
	struct sockets_name *name = (struct sockets_name *)r->data;
	char *to = r->data + sizeof(*name);
	uint32_t n, full;

	if (s->error != 0)
		return -sock_take_error(s);
	if (k->r.flags & MSG_OOB)
		return -EOPNOTSUPP;
	if (d == NULL)
		return s->shut_rd ? 0 : call_wait(k);
	full = d->size;
	n = RTE_MIN(size, full);
	*name = (struct sockets_name){.addr = d->addr, .port = d->port};
	for (const struct rte_mbuf *m = d->m; m != NULL && r->size - sizeof(*name) < n;
		m = m->next) {
		uint32_t part = RTE_MIN(n - (r->size - (uint32_t)sizeof(*name)), m->data_len);

		memcpy(to + r->size - sizeof(*name), rte_pktmbuf_mtod(m, const char *), part);
		r->size += part;
	}
	if (!(k->r.flags & MSG_PEEK)) {
		struct ask a = {.kind = ASK_TAKEN, .m = d->m};

		for (uint16_t i = 0; i < s->n_seats; i++)
			if (s->seat[i]->worker == d->worker)
				a.seat = s->seat[i];
		service_ask(s->client->service, d->worker, &a);
		STAILQ_REMOVE_HEAD(&s->datagrams, next);
		free(d);
	}
	return (int32_t)(k->r.flags & MSG_TRUNC ? full : n);
}

int32_t call_recv(struct client *c, struct call *k, struct reply *r)
{
	struct sock *s = k->sock;
	struct sockets_recv recv;
	uint32_t size;

	(void)c;
	memcpy(&recv, k->body, sizeof(recv));
	size = RTE_MIN(recv.size, (uint32_t)SOCKETS_DATA_MAX);
	*(struct sockets_name *)r->data =
		(struct sockets_name){.addr = s->remote, .port = s->remote_port};
	r->size = sizeof(struct sockets_name);
	return s->is_udp ? recv_udp(s, k, r, size) : recv_tcp(s, k, r, size);
}

/* --- sending --- */

uint32_t sock_send_room(const struct sock *s)
{
	uint32_t most = s->options.tcp.send_buffer;

	return s->unacked < most ? most - s->unacked : 0;
}

/* Up to *n bytes in buffers of the worker's; *n becomes how many. NULL: no buffer is there. */
static struct rte_mbuf *copy_in(
	struct socket_service *service, uint16_t worker, const char *from, uint32_t *n)
{
	struct rte_mbuf *head = NULL, *last = NULL;
	uint32_t done = 0;

	do {
		struct rte_mbuf *m = service_buffer(service, worker);
		uint32_t part;

		if (m == NULL)
			break;
		part = RTE_MIN(*n - done, rte_pktmbuf_tailroom(m));
		memcpy(rte_pktmbuf_append(m, (uint16_t)part), from + done, part);
		done += part;
		if (head == NULL) {
			head = m;
		} else {
			last->next = m;
			head->nb_segs++;
			head->pkt_len += part;
		}
		last = m;
	} while (done < *n);
	*n = done;
	return head;
}

/* The flags of the last part; those before it know that more comes. */
static uint8_t send_flags(const struct call *k, bool is_last)
{
	if (!is_last)
		return TCP_SEND_MORE;
	return (uint8_t)((k->r.flags & MSG_MORE ? TCP_SEND_MORE : 0) |
			 (k->r.flags & MSG_OOB ? TCP_SEND_URGENT : 0));
}

/* It will not be long, or it may be. */
static int32_t no_buffers(const struct sock *s, const struct call *k)
{
	if (k->may_wait || !s->client->service->asks[s->home].barren)
		return CALL_SOON;
	return k->step != 0 && !s->is_udp ? (int32_t)k->step : -EAGAIN;
}

static int32_t send_tcp(struct sock *s, struct call *k, const char *data, uint32_t size)
{
	while (k->step < size) {
		struct ask a = {.kind = ASK_SEND};
		uint32_t n = RTE_MIN(size - k->step, sock_send_room(s));

		if (n == 0)
			return k->step != 0 && !k->may_wait ? (int32_t)k->step : call_wait(k);
		a.m = copy_in(s->client->service, s->home, data + k->step, &n);
		if (a.m == NULL)
			return no_buffers(s, k);
		k->step += n;
		s->unacked += n;
		a.flags = send_flags(k, k->step == size);
		sock_ask(s, &a);
	}
	return (int32_t)size;
}

/* Why nothing can be sent, or 0. */
static int32_t why_not_tcp(struct sock *s, const struct call *k)
{
	if (s->error != 0 && s->state != SOCK_CONNECTING)
		return k->step != 0 ? (int32_t)k->step : -sock_take_error(s);
	if (s->shut_wr || s->ended || s->state == SOCK_NEW || s->state == SOCK_LISTENS)
		return k->step != 0 ? (int32_t)k->step : -EPIPE;
	return s->state == SOCK_CONNECTING ? call_wait(k) : 0;
}

static int32_t send_udp(
	struct sock *s, struct call *k, struct sockets_name to, const char *data, uint32_t size)
{
	struct socket_service *service = s->client->service;
	uint32_t n = size;
	struct ask a = {.kind = ASK_SEND_UDP, .options = s->options};
	int32_t rc;

	if (s->error != 0)
		return -sock_take_error(s);
	if (s->shut_wr)
		return -EPIPE;
	if (to.addr == 0 && to.port == 0)
		to = (struct sockets_name){.addr = s->remote, .port = s->remote_port};
	if (to.addr == 0)
		return -EDESTADDRREQ;
	if (to.port == 0)
		return -EINVAL;
	if (size > DATAGRAM_MAX || (k->r.flags & MSG_OOB))
		return size > DATAGRAM_MAX ? -EMSGSIZE : -EOPNOTSUPP;
	rc = call_autobind(s, k);
	if (rc != 0)
		return rc;
	/* a part is no datagram */
	if (!service_has_buffers(service, s->home, size / service->net->limits.mbuf_size + 1))
		return no_buffers(s, k);
	a.m = copy_in(service, s->home, data, &n);
	a.addr = s->addr;
	a.port = s->port;
	a.remote = to.addr;
	a.remote_port = to.port;
	sock_ask(s, &a);
	return (int32_t)size;
}

int32_t call_send(struct client *c, struct call *k, struct reply *r)
{
	uint32_t size = k->size - (uint32_t)sizeof(struct sockets_name);
	const char *data = k->body + sizeof(struct sockets_name);
	struct sock *s = k->sock;
	struct sockets_name to;
	int32_t rc;

	(void)c;
	(void)r;
	memcpy(&to, k->body, sizeof(to));
	if (s->is_udp)
		return send_udp(s, k, to, data, size);
	rc = why_not_tcp(s, k);
	return rc != 0 ? rc : send_tcp(s, k, data, size);
}
