/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Questions to backends and what is made of the answers: TCP and HTTP by callbacks of the stack,
 * ICMP and DNS by packets of our own, whose answers net/expect.h brings.
 *
 * An answer is believed from who was asked, to the port or id that asked, which is random.
 */
#include "checks_inner.h"

#include "base/hash.h"
#include "net/expect.h"
#include "net/udp.h"
#include "service/checks.h"
#include "tcp/stage.h"
#include "wire/dns_hdr.h"
#include "wire/icmp_hdr.h"
#include "wire/udp_hdr.h"

#include <rte_random.h>

#include <errno.h>
#include <stdlib.h>

#define PORT_FIRST 32768u /* of datagrams, as TCP chooses its own */
#define PORT_LAST  60999u
#define PORT_TRIES 1024
#define PING_DATA  32
#define PASS_OVER  65536 /* bytes of a body that is of no use any more */
#define DNS_READ   512	 /* bytes of an answer: its question is at its front */

static struct check_host *host_of(const struct tcp *t)
{
	return tcp_worker(t)->checks;
}

/* --- TCP and HTTP --- */

static void on_tcp_connect(struct tcp *t, struct tcp_conn *c)
{
	struct check_host *h = host_of(t);
	struct check_run *r = tcp_user(c);

	check_told(h, r, LB_REASON_NONE, 0);
	check_over(h, r); /* by a reset: neither end remembers it */
}

static void on_notice(struct tcp *t, struct tcp_conn *c, int error)
{
	struct check_run *r = tcp_user(c);

	(void)t;
	r->is_unreachable |= error == EHOSTUNREACH || error == ENETUNREACH;
}

static enum lb_reason reason_of(int error)
{
	switch (error) {
	case 0:
		return LB_REASON_CLOSED;
	case ECONNREFUSED:
		return LB_REASON_REFUSED;
	case ECONNRESET:
		return LB_REASON_RESET;
	case ETIMEDOUT:
		return LB_REASON_TIMEOUT;
	default:
		return LB_REASON_UNREACHABLE;
	}
}

static void on_end(struct tcp *t, struct tcp_conn *c, int error)
{
	struct check_host *h = host_of(t);
	struct check_run *r = tcp_user(c);

	r->conn = NULL;
	if (error == ECONNABORTED || error == ENOMEM) /* it is no fault of the backend's */
		h->w->count[COUNT_checks_skipped]++;
	else
		check_told(h, r, reason_of(error), 0);
	check_over(h, r);
}

static const struct tcp_ops tcp_check = {
	.on_connect = on_tcp_connect, .on_notice = on_notice, .on_end = on_end};

static void on_http_connect(struct tcp *t, struct tcp_conn *c)
{
	struct check_host *h = host_of(t);
	struct check_run *r = tcp_user(c);
	const struct check_item *i = r->item;
	struct rte_mbuf *m = rte_pktmbuf_alloc(h->w->pool);
	char text[CHECK_HTTP_ASK];
	uint32_t n = check_http_ask(text, i->conf->host, i->addr, i->port, i->conf->path);
	char *to = m == NULL ? NULL : rte_pktmbuf_append(m, (uint16_t)n);

	if (to != NULL)
		memcpy(to, text, n);
	if (to != NULL && tcp_send(t, c, m, 0) == 0)
		return;
	rte_pktmbuf_free(m);
	h->w->count[COUNT_checks_skipped]++;
	check_over(h, r);
}

static void http_verdict(struct check_host *h, struct check_run *r, enum check_http_verdict v)
{
	static const enum lb_reason reasons[] = {[CHECK_HTTP_WELL] = LB_REASON_NONE,
		[CHECK_HTTP_STATUS] = LB_REASON_STATUS,
		[CHECK_HTTP_BODY_NOT] = LB_REASON_BODY,
		[CHECK_HTTP_GARBAGE] = LB_REASON_GARBAGE};

	if (v != CHECK_HTTP_MORE)
		check_told(h, r, reasons[v], v == CHECK_HTTP_STATUS ? r->http->status : 0);
}

/* What comes after a verdict is passed over, a while: so that the server ends in its own way. */
static void on_http_data(struct tcp *t, struct tcp_conn *c, struct rte_mbuf *m)
{
	struct check_host *h = host_of(t);
	struct check_run *r = tcp_user(c);

	for (const struct rte_mbuf *s = m; s != NULL && r->state == CHECK_ASKING; s = s->next)
		http_verdict(h, r,
			check_http_read(r->http, rte_pktmbuf_mtod(s, const char *), s->data_len));
	r->passed_over += r->state == CHECK_TOLD ? m->pkt_len : 0;
	rte_pktmbuf_free(m);
	tcp_consumed(t, c, UINT32_MAX);
	if (r->passed_over > PASS_OVER)
		check_over(h, r);
}

static void on_http_close(struct tcp *t, struct tcp_conn *c)
{
	struct check_host *h = host_of(t);
	struct check_run *r = tcp_user(c);

	http_verdict(h, r, check_http_end(r->http));
	check_told(h, r, LB_REASON_CLOSED, 0);
	r->conn = NULL;
	tcp_close(t, c);
	check_over(h, r);
}

static const struct tcp_ops http_check = {.on_connect = on_http_connect,
	.on_data = on_http_data,
	.on_close = on_http_close,
	.on_notice = on_notice,
	.on_end = on_end};

static int connect_to(struct check_host *h, struct check_run *r)
{
	const struct lb_check_conf *c = r->item->conf;
	bool is_http = c->kind == LB_CHECK_HTTP;
	int rc = 0;

	if (is_http) {
		r->http = malloc(sizeof(*r->http));
		if (r->http == NULL)
			return -ENOMEM;
		check_http_begin(r->http, c->status_min, c->status_max, c->body);
	}
	r->conn = tcp_connect(h->w->stack, 0, 0, r->item->addr, r->item->port,
		is_http ? &http_check : &tcp_check, r, NULL, &rc);
	return rc;
}

/* --- packets of our own --- */

/* A packet to the backend with so many bytes behind its IPv4 header, on its way to be filled. */
static struct rte_mbuf *packet_to(
	struct worker *w, uint32_t local, uint32_t remote, uint8_t proto, uint32_t len)
{
	struct rte_mbuf *m = originate(w);

	if (m == NULL)
		return NULL;
	rte_pktmbuf_append(m, (uint16_t)(ETH_HDR_LEN + IP4_HDR_LEN + len));
	ip4_hdr_build(pkt_ip4(m), &(struct ip4_fields){
					  .total_len = (uint16_t)(IP4_HDR_LEN + len),
					  .id = w->ip_id++,
					  .ttl = (uint8_t)w->net->set.ttl,
					  .proto = proto,
					  .src = local,
					  .dst = remote,
				  });
	lane_put(&w->out, m, remote);
	return m;
}

static int ping(struct check_host *h, struct check_run *r, uint32_t local)
{
	uint32_t id_and_seq = (uint32_t)rte_rand();
	struct rte_mbuf *m =
		packet_to(h->w, local, r->item->addr, IP4_PROTO_ICMP, ICMP_HDR_LEN + PING_DATA);
	struct icmp_hdr *icmp;

	if (m == NULL)
		return -ENOMEM;
	icmp = pkt_l4(m);
	memset(icmp + 1, 0, PING_DATA);
	icmp_hdr_build(icmp, ICMP_TYPE_ECHO, 0, id_and_seq, ICMP_HDR_LEN + PING_DATA);
	expect_add(h->w->expect, r->slot,
		&(struct expected){.from = r->item->addr,
			.to = local,
			.from_port = (uint16_t)id_and_seq,
			.to_port = (uint16_t)(id_and_seq >> 16),
			.proto = IP4_PROTO_ICMP});
	return 0;
}

/* A random one that nobody has, and whose answers come to this worker; 0: none was found. */
static uint16_t port_for(const struct worker *w, uint32_t local, uint32_t remote, uint16_t port)
{
	uint32_t at = (uint32_t)rte_rand_max(PORT_LAST - PORT_FIRST + 1);

	for (uint32_t i = 0; i < PORT_TRIES; i++) {
		uint16_t own = (uint16_t)(PORT_FIRST + (at + i) % (PORT_LAST - PORT_FIRST + 1));

		if (tcp_stage_owner(w, local, remote, own, port) == w->id &&
			udp_service(w->net, local, own) < 0)
			return own;
	}
	return 0;
}

static int query(struct check_host *h, struct check_run *r, uint32_t local)
{
	const struct check_item *i = r->item;
	uint16_t port = port_for(h->w, local, i->addr, i->port);
	uint8_t text[DNS_QUERY_MAX];
	struct rte_mbuf *m;
	struct udp_hdr *udp;
	uint32_t len;

	if (port == 0)
		return -EADDRNOTAVAIL;
	r->id = (uint16_t)rte_rand();
	len = dns_hdr_query(text, r->id, i->conf->host);
	m = packet_to(h->w, local, i->addr, IP4_PROTO_UDP, UDP_HDR_LEN + len);
	if (m == NULL)
		return -ENOMEM;
	udp = pkt_l4(m);
	udp_hdr_build(udp, port, i->port, (uint16_t)len);
	memcpy(udp + 1, text, len);
	udp_hdr_csum_set(udp, to_be32(local), to_be32(i->addr));
	expect_add(h->w->expect, r->slot,
		&(struct expected){.from = i->addr,
			.to = local,
			.from_port = i->port,
			.to_port = port,
			.proto = IP4_PROTO_UDP});
	return 0;
}

/* --- answers to them --- */

static void error_in(struct check_host *h, struct check_run *r, const struct icmp_hdr *icmp)
{
	bool is_unreach = icmp->type == ICMP_TYPE_UNREACH;

	if (is_unreach && icmp->code == ICMP_CODE_PORT)
		check_told(h, r, LB_REASON_REFUSED, 0);
	else if (is_unreach && icmp->code != ICMP_CODE_FRAG_NEEDED)
		check_told(h, r, LB_REASON_UNREACHABLE, 0);
}

static void datagram_in(struct check_host *h, struct check_run *r, const struct rte_mbuf *m)
{
	uint32_t at = ETH_HDR_LEN + ip4_hdr_len(pkt_ip4(m)) + UDP_HDR_LEN, len, query_len;
	uint8_t asked[DNS_QUERY_MAX], copy[DNS_READ], rcode;
	const uint8_t *message;

	len = RTE_MIN((uint32_t)udp_hdr_data_len(pkt_l4(m)), (uint32_t)DNS_READ);
	message = rte_pktmbuf_read(m, at, len, copy);
	query_len = dns_hdr_query(asked, r->id, r->item->conf->host);
	if (message == NULL || !dns_hdr_answers(message, len, asked, query_len, &rcode))
		return; /* the answer may still come */
	check_told(h, r, rcode == 0 ? LB_REASON_NONE : LB_REASON_RCODE, rcode);
}

static void answer(struct check_host *h, const struct rte_mbuf *m, uint32_t slot)
{
	struct check_run *r = &h->run[slot];
	const struct icmp_hdr *icmp = pkt_l4(m);

	if (r->state != CHECK_ASKING) /* a second one in this burst */
		return;
	if (pkt_ip4(m)->proto == IP4_PROTO_UDP)
		datagram_in(h, r, m);
	else if (icmp_type_is_error(icmp->type))
		error_in(h, r, icmp);
	else
		check_told(h, r, LB_REASON_NONE, 0);
	if (r->state == CHECK_TOLD)
		check_over(h, r);
}

void stage_checks(struct worker *w)
{
	struct lane *l = &w->answer;

	for (uint32_t i = 0; i < l->n; i++) {
		answer(w->checks, l->pkt[i], l->aux[i]);
		consume(w, l->pkt[i]);
	}
}

/* --- all kinds --- */

bool check_is_mine(const struct check_host *h, const struct check_item *i)
{
	const struct worker *w = h->w;
	uint32_t local = 0;
	uint16_t mtu;

	if (w->net->n_workers == 1)
		return true;
	if (i->conf->kind != LB_CHECK_ICMP || tcp_stage_route(w, i->addr, &local, &mtu) < 0)
		return i->slot % w->net->n_workers == w->id;
	return tcp_stage_owner(w, local, i->addr, 0, 0) == w->id;
}

int check_ask(struct check_host *h, struct check_run *r)
{
	uint32_t local = 0;
	uint16_t mtu;
	int rc = tcp_stage_route(h->w, r->item->addr, &local, &mtu);

	if (rc < 0)
		return rc;
	switch (r->item->conf->kind) {
	case LB_CHECK_ICMP:
		return ping(h, r, local);
	case LB_CHECK_DNS:
		return query(h, r, local);
	case LB_CHECK_TCP:
	case LB_CHECK_HTTP:
	case LB_CHECK_NONE:
		break;
	}
	return connect_to(h, r);
}

void check_forget(struct check_host *h, struct check_run *r)
{
	if (r->conn != NULL)
		tcp_abort(h->w->stack, r->conn);
	expect_del(h->w->expect, r->slot);
	free(r->http);
	r->conn = NULL;
	r->http = NULL;
}
