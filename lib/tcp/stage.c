/* SPDX-License-Identifier: BSD-3-Clause */
/* A stack between the lanes of its worker: segments in from `tcp`, segments out to `out`. */
#include "tcp/stage.h"

#include "base/hash.h"
#include "net/lookup.h"
#include "net/net.h"
#include "net/offload.h"
#include "net/punt.h"
#include "tcp/table.h"
#include "wire/icmp_hdr.h"

#include <errno.h>
#include <stdlib.h>

#define BURST_MAX 64000 /* with every header that is no longer than a packet may be */

#define HORIZON_US UINT64_C(1000000)
#define VIEW_SLOTS 4096 /* places looked at for one view, taken or not */

/* The interface to remote by the FIB, as stage_fib_out will send it; or -ENETUNREACH. */
static int way_out(const struct worker *w, uint32_t remote)
{
	fib_entry e = fib4_lookup(w->net->fib, remote);
	uint32_t index = fib_entry_index(e);

	switch (fib_entry_kind(e)) {
	case FIB_FORWARD:
		return w->net->adj[index].iface;
	case FIB_GLEAN:
	case FIB_LOCAL:
		return (int)index;
	case FIB_GROUP:
		return w->net->adj[w->net->group[index].member[0]].iface;
	default:
		return -ENETUNREACH;
	}
}

int tcp_stage_route(const struct worker *w, uint32_t remote, uint32_t *local, uint16_t *mtu)
{
	int iface = way_out(w, remote);

	if (iface < 0)
		return iface;
	if (*local == 0)
		*local = w->net->iface[iface].addr;
	*mtu = w->net->iface[iface].mtu != 0 ? w->net->iface[iface].mtu : IP4_PACKET_MAX;
	return *local == 0 ? -ENETUNREACH : 0;
}

static int route(void *arg, uint32_t remote, uint32_t *local, uint16_t *mtu)
{
	return tcp_stage_route(arg, remote, local, mtu);
}

/*
 * Long packets for every link: where no device cuts them, we do that behind the last lookup, which
 * costs less than segments of our own making (perf/bench_tcp). Not so a sum that is made later.
 */
static struct tcp_leave leave(void *arg, uint32_t remote)
{
	const struct worker *w = arg;
	int iface = way_out(w, remote);

	if (iface <= IFACE_LOOPBACK)
		return (struct tcp_leave){0};
	return (struct tcp_leave){.burst = BURST_MAX,
		.sums = w->tx[w->net->iface[iface].slot].does & OFFLOAD_TCP_SUM};
}

uint16_t tcp_stage_owner(const struct worker *w, uint32_t local, uint32_t remote,
	uint16_t local_port, uint16_t remote_port)
{
	uint32_t hash = hash_flow(remote, local, remote_port, local_port);

	return w->net->owner[hash & (OWNER_MAP - 1)];
}

static bool is_home(
	void *arg, uint32_t local, uint32_t remote, uint16_t local_port, uint16_t remote_port)
{
	const struct worker *w = arg;

	return w->net->n_workers == 1 ||
	       tcp_stage_owner(w, local, remote, local_port, remote_port) == w->id;
}

int tcp_attach(struct worker *w, const struct tcp_settings *s, const struct tcp_limits *l,
	const uint64_t seed[4])
{
	const struct tcp_env env = {.route = route, .is_home = is_home, .leave = leave, .arg = w};

	w->stack = tcp_new(w, s, l, &env, seed);
	w->view = calloc(1, sizeof(*w->view));
	if (w->stack == NULL || w->view == NULL)
		return -ENOMEM;
	tcp_clock(w->stack, clock_to_us(clock_now()));
	return 0;
}

void tcp_detach(struct worker *w)
{
	tcp_free(w->stack);
	free(w->view);
	w->stack = NULL;
	w->view = NULL;
	w->tcp_held = 0;
}

/* An ICMP error that stage_icmp found to quote a segment. Takes m. */
static void icmp_error(struct worker *w, struct rte_mbuf *m)
{
	const struct ip4_hdr *ip = pkt_ip4(m);
	const struct icmp_hdr *icmp = pkt_l4(m);
	uint32_t at = ETH_HDR_LEN + ip4_hdr_len(ip) + ICMP_HDR_LEN;
	bool ours = false;

	if (m->data_len > at)
		ours = tcp_icmp(w->stack, icmp + 1, m->data_len - at, icmp->type, icmp->code,
			icmp->type == ICMP_TYPE_UNREACH ? from_be16(icmp->unreach.mtu) : 0);
	if (!ours && punt_wants(w, m))
		lane_put(&w->punt, m, 0);
	else
		consume(w, m);
}

/*
 * The segments of a burst come first in it. Errors are acted upon at once; what is for more than
 * one host is nobody's, and draws no answer (RFC 9293 MUST-57).
 */
static uint32_t sort_out(struct worker *w, struct rte_mbuf **pkt, uint32_t n)
{
	uint32_t segments = 0;

	for (uint32_t i = 0; i < n; i++) {
		const struct ip4_hdr *ip = pkt_ip4(pkt[i]);

		if (unlikely(ip->proto != IP4_PROTO_TCP))
			icmp_error(w, pkt[i]);
		else if (unlikely(lookup_is_group(w->net, ip4_hdr_dst(ip)) ||
				  (pkt[i]->port & PKT_LINK_GROUP)))
			drop(w, pkt[i], DROP_LOCAL_GROUP);
		else
			pkt[segments++] = pkt[i];
	}
	return segments;
}

void stage_tcp(struct worker *w)
{
	struct rte_mbuf *stray[TCP_BURST];
	struct lane *l = &w->tcp;

	tcp_clock(w->stack, clock_to_us(w->now));
	for (uint32_t i = 0; i < l->n; i += TCP_BURST) {
		uint32_t n = sort_out(w, l->pkt + i, RTE_MIN(l->n - i, (uint32_t)TCP_BURST));
		uint32_t strays = tcp_input(w->stack, l->pkt + i, n, stray);

		for (uint32_t j = 0; j < strays; j++) {
			if (punt_wants(w, stray[j]) && !tcp_listens(w->stack, stray[j])) {
				lane_put(&w->punt, stray[j], 0);
				continue;
			}
			tcp_refuse(w->stack, stray[j]);
			drop(w, stray[j], DROP_TCP_NO_PORT);
		}
	}
	w->tcp_waits = true;
}

static void see(void *arg, const struct tcp_info *info)
{
	struct tcp_view *v = arg;

	v->row[v->n++] = *info;
}

static void look(struct worker *w)
{
	struct tcp_view *v = w->view;
	uint64_t cursor = w->view_about.addr, until = cursor + VIEW_SLOTS;

	do { /* as many places as there are rows left: none can be too many */
		v->more = tcp_walk(w->stack, &cursor, TCP_VIEW_ROWS - v->n, see, v);
	} while (v->more && v->n < TCP_VIEW_ROWS && cursor < until);
	v->next = (uint32_t)cursor;
}

/* What control asked about connections. */
static void answer(struct worker *w)
{
	const struct command *c = &w->view_about;

	w->view->n = 0;
	if (c->kind == COMMAND_ABORT)
		w->view->found = tcp_kill(w->stack, c->sender, c->local_port, c->addr, c->port);
	else
		look(w);
	w->view_wanted = false;
	atomic_fetch_add_explicit(&w->view_seq, 1, memory_order_release);
}

void stage_tcp_output(struct worker *w, bool timed)
{
	struct rte_mbuf *pkt[TCP_BUDGET];
	struct tcp_usage usage;
	uint32_t n;

	if (timed) {
		tcp_clock(w->stack, clock_to_us(w->now));
		tcp_timers(w->stack, TCP_BUDGET);
		if (w->view_wanted && w->view_about.kind != COMMAND_FLOWS)
			answer(w);
	} else if (!w->tcp_waits) {
		return;
	}
	n = tcp_output(w->stack, pkt, TCP_BUDGET);
	for (uint32_t i = 0; i < n; i++)
		lane_put(&w->out, pkt[i], ip4_hdr_dst(pkt_ip4(pkt[i])));
	w->tcp_waits = tcp_has_output(w->stack);
	tcp_usage(w->stack, &usage);
	w->tcp_held = usage.held_packets;
	w->tcp_wakes =
		w->tcp_waits ? w->now : w->now + clock_of_us(tcp_next_timer(w->stack, HORIZON_US));
	stage_count(w, STAGE_tcp_output, n, timed);
}
