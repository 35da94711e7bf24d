/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * synproxy: handshakes with clients before a backend hears of them (RFC 4987 3.6).
 *
 * A SYN is answered by a SYN-ACK whose number is a cookie and whose window is closed; nothing is
 * kept. The ACK that brings a cookie back makes a flow, and we ask the backend as the client had
 * asked us. With its answer both ends are open: the client's window opens, and from then on the
 * backend's numbers differ from those that the client knows by a constant, which stands beside the
 * flow: seq of what the backend says, ack of what the client says. Only the MSS outlives the
 * cookie, so there is no window scaling, no SACK and no timestamp, and hence no number elsewhere.
 *
 * A SYN to a backend is sent again each second, some times, and for the client's probes of its
 * closed window; a backend that refuses, or never answers, has its client reset.
 */
#include "synproxy.h"
#include "inner.h"

#include "base/numa.h"
#include "net/local.h"
#include "net/syncookie.h"
#include "net/tcp_reset.h"
#include "wire/tcp_opt.h"

#define COOKIE_MS  128000 /* the longest that a cookie is good */
#define AGAIN_MS   1000	  /* between two SYNs to a backend */
#define TRIES	   6
#define AGAIN_MOST 32	 /* of them at a time */
#define WAITS	   16384 /* flows whose backends have not answered; a power of two */
#define GUARD_MS   10000 /* auto: until it ends, from when SYNs came at half its rate */
#define MSS	   1460	 /* of services that say nothing else */

/* Beside a flow. */
struct proxied {
	uint32_t delta; /* from the backend's numbers to ours; until it answers our first one */
	uint32_t isn;	/* the client's */
	uint16_t mss;	/* the client's */
	uint16_t window;
	uint8_t tries;
};

/* A SYN that waits for its answer, in order of time. */
struct wait {
	ticks at;
	uint32_t ref, isn;
};

struct lb_proxy {
	uint32_t places; /* of flows */
	uint32_t head, n;
	ticks cookies_until; /* some of ours may still come back */
	uint64_t pass;
	uint32_t made; /* packets beyond those taken, in that pass */
	struct wait wait[WAITS];
	struct proxied of[];
};

static size_t bytes_of(uint32_t places)
{
	return sizeof(struct lb_proxy) + places * sizeof(struct proxied);
}

int lb_proxy_new(struct worker *w)
{
	uint32_t places = flow_refs(w->lb->flows);
	struct lb_proxy *p = atomic_load(&w->lb->proxy);

	if (p != NULL)
		return 0;
	p = numa_reserve(bytes_of(places), w->node);
	if (p == NULL)
		return -1;
	p->places = places;
	atomic_store_explicit(&w->lb->proxy, p, memory_order_release);
	return 0;
}

void lb_proxy_free(struct lb_proxy *p)
{
	if (p != NULL)
		numa_drop(p, bytes_of(p->places));
}

static struct lb_proxy *proxy_of(const struct worker *w)
{
	return atomic_load_explicit(&w->lb->proxy, memory_order_acquire);
}

static struct proxied *of(const struct worker *w, const struct flow *f)
{
	return &proxy_of(w)->of[flow_ref(w->lb->flows, f)];
}

static struct flow_key key_of(const struct flow *f)
{
	return (struct flow_key){f->addr, f->port, f->service_port, f->service};
}

/* --- segments of ours --- */

/* From one end to another, with an MSS option unless that is 0; goes to `out` by hop. */
static void say(struct worker *w, const struct lb_edit *e, struct nat_end src, struct nat_end dst,
	struct tcp_fields t, uint16_t mss)
{
	struct rte_mbuf *m = originate(w);
	uint16_t len = TCP_HDR_LEN + (mss != 0 ? 4 : 0);
	struct ip4_hdr *ip;
	struct tcp_hdr *tcp;

	if (m == NULL)
		return;
	rte_pktmbuf_append(m, (uint16_t)(ETH_HDR_LEN + IP4_HDR_LEN + len));
	ip = pkt_ip4(m);
	ip4_hdr_build(ip, &(struct ip4_fields){.total_len = (uint16_t)(IP4_HDR_LEN + len),
				  .id = w->ip_id++,
				  .frag = IP4_DF,
				  .ttl = (uint8_t)w->net->set.ttl,
				  .proto = IP4_PROTO_TCP,
				  .src = from_be32(src.addr),
				  .dst = from_be32(dst.addr)});
	tcp = pkt_l4(m);
	t.sport = from_be16(src.port);
	t.dport = from_be16(dst.port);
	t.opt_len = (uint8_t)(len - TCP_HDR_LEN);
	tcp_hdr_build(tcp, &t);
	if (mss != 0)
		tcp_opt_write(tcp + 1, &(struct tcp_opts){.has = TCP_HAS_MSS, .mss = mss});
	tcp_hdr_csum_set(tcp, len, src.addr, dst.addr);
	lb_rewrite(ip, tcp, e);
	lane_put(&w->out, m, e->hop);
}

static void to_client(
	struct worker *w, const struct flow_key *key, struct tcp_fields t, uint16_t mss)
{
	const struct lb_vservice *s = &w->net->lb->vservice[key->service];
	struct lb_edit as_it_is = {.hop = from_be32(key->addr), .kind = LB_EDIT_NONE};

	say(w, &as_it_is, (struct nat_end){s->addr, key->service_port},
		(struct nat_end){key->addr, key->port}, t, mss);
}

/* As if the client had sent it to the service. */
static void to_backend(struct worker *w, const struct flow *f, struct tcp_fields t, uint16_t mss)
{
	const struct lb_vservice *s = &w->net->lb->vservice[f->service];
	struct lb_edit e;

	lb_towards_flow(w, f, &e);
	say(w, &e, (struct nat_end){f->addr, f->port}, (struct nat_end){s->addr, f->service_port},
		t, mss);
}

static void ask_backend(struct worker *w, const struct flow *f)
{
	const struct lb_vservice *s = &w->net->lb->vservice[f->service];
	const struct proxied *x = of(w, f);

	to_backend(w, f, (struct tcp_fields){.seq = x->isn, .flags = TCP_SYN, .window = x->window},
		s->mss != 0 ? RTE_MIN(s->mss, x->mss) : x->mss);
}

/* The client believes that it is connected. */
static void reset_client(struct worker *w, struct flow *f)
{
	const struct proxied *x = of(w, f);
	struct flow_key key = key_of(f);

	to_client(w, &key,
		(struct tcp_fields){
			.seq = x->delta + 1, .ack = x->isn + 1, .flags = TCP_RST | TCP_ACK},
		0);
	w->count[COUNT_lb_proxy_failed]++;
}

/* A segment that is whole, as far as its header and checksum say. */
static bool is_sound(const struct rte_mbuf *m)
{
	const struct ip4_hdr *ip = pkt_ip4(m);
	uint16_t len = ip4_hdr_payload_len(ip);
	uint32_t room = RTE_MIN((uint32_t)len, m->data_len - ETH_HDR_LEN - ip4_hdr_len(ip));

	return tcp_hdr_check(pkt_l4(m), room) == TCP_OK && local_csum_ok(m, len);
}

/* Bytes of data; the header was checked. */
static uint32_t data_of(const struct rte_mbuf *m)
{
	return ip4_hdr_payload_len(pkt_ip4(m)) - tcp_hdr_len(pkt_l4(m));
}

/* --- cookies --- */

static struct syncookie_flow cookie_flow(const struct worker *w, const struct flow_key *key)
{
	return (struct syncookie_flow){
		w->net->lb->vservice[key->service].addr, key->addr, key->service_port, key->port};
}

/* Takes m, a SYN. */
static void answer(struct worker *w, struct rte_mbuf *m, const struct flow_key *key)
{
	const struct lb_vservice *s = &w->net->lb->vservice[key->service];
	const struct syncookie_flow flow = cookie_flow(w, key);
	struct syncookie_memory memory = {.wscale = SYNCOOKIE_NO_WSCALE};
	const struct tcp_hdr *tcp = pkt_l4(m);
	uint32_t seq = tcp_hdr_seq(tcp), cookie;

	if (!is_sound(m)) {
		drop(w, m, DROP_TCP_BAD);
		return;
	}
	memory.mss = tcp_hdr_mss(tcp,
		RTE_MIN(tcp_hdr_len(tcp), m->data_len - ETH_HDR_LEN - ip4_hdr_len(pkt_ip4(m))));
	if (memory.mss == 0)
		memory.mss = TCP_MSS_DEFAULT;
	cookie = syncookie_make(&w->net->lb->cookie_key, &flow, seq, &memory, clock_to_ms(w->now));
	to_client(w, key,
		(struct tcp_fields){.seq = cookie, .ack = seq + 1, .flags = TCP_SYN | TCP_ACK},
		s->mss != 0 ? s->mss : MSS);
	proxy_of(w)->cookies_until = w->now + clock_of_ms(COOKIE_MS);
	w->count[COUNT_lb_cookies_sent]++;
	consume(w, m);
}

/*
 * Whether the ACK m brings a cookie of ours: the flow's numbers and MSS. A probe of the closed
 * window has the number before the next one, as a SYN had (RFC 9293 3.8.6.1).
 */
static bool has_cookie(
	struct worker *w, const struct rte_mbuf *m, const struct flow_key *key, struct proxied *x)
{
	const struct syncookie_flow flow = cookie_flow(w, key);
	const struct tcp_hdr *tcp = pkt_l4(m);
	struct syncookie_memory memory = {.timestamps = false};

	if (w->now >= proxy_of(w)->cookies_until || !is_sound(m))
		return false;
	*x = (struct proxied){.delta = tcp_hdr_ack(tcp) - 1, .window = tcp_hdr_window(tcp)};
	for (uint32_t back = 2; back-- > 0;) {
		x->isn = tcp_hdr_seq(tcp) - back;
		if ((back == 1 || data_of(m) <= 1) &&
			syncookie_check(&w->net->lb->cookie_key, &flow, x->delta, x->isn, 0,
				clock_to_ms(w->now), &memory)) {
			x->mss = memory.mss;
			return true;
		}
	}
	return false;
}

/* Whether SYNs to a service are answered by us now; one more has come, or none. */
static bool is_guarded(struct worker *w, uint16_t service, uint32_t more)
{
	const struct lb_vservice *s = &w->net->lb->vservice[service];
	struct lb_gate *g = &w->lb->gate[service];
	uint32_t most = RTE_MAX(s->syn_rate / w->net->n_workers, 1u);

	if (s->syn_proxy == LB_SYN_ALWAYS)
		return true;
	if (w->now - g->metered > clock_of_ms(1000)) {
		g->metered = w->now;
		g->syns = 0;
	}
	g->syns += more;
	if (g->syns > most || (w->now < g->guarded && g->syns > most / 2))
		g->guarded = w->now + clock_of_ms(GUARD_MS);
	return w->now < g->guarded;
}

/* --- flows --- */

static bool wait_for(struct worker *w, const struct flow *f)
{
	struct lb_proxy *p = proxy_of(w);

	if (p->n == WAITS)
		return false;
	p->wait[(p->head + p->n++) % WAITS] = (struct wait){
		w->now + clock_of_ms(AGAIN_MS), flow_ref(w->lb->flows, f), of(w, f)->isn};
	return true;
}

static bool is_waiting(const struct flow *f)
{
	return f->state == FLOW_NEW && (f->marks & LB_REPLIED) == 0;
}

/* As a reset ends it: it stays a while, for what is still under way. */
static void close_flow(struct worker *w, struct flow *f, bool by_client)
{
	lb_track_odd(w, f, TCP_RST, by_client);
	flow_touch(f, w->lb->seconds, w->net->lb->vservice[f->service].idle[f->state]);
}

/* The client has shown that it is there: takes m, which said so. */
static void open_flow(struct worker *w, struct rte_mbuf *m, uint32_t hash,
	const struct flow_key *key, const struct proxied *x)
{
	enum drop_reason why;
	struct flow *f = lb_begin(w, m, hash, key, &why);

	w->count[COUNT_lb_cookies_taken]++;
	if (f == NULL) { /* it believes that it is connected */
		w->lb->service[key->service].refused++;
		tcp_reset_answer(w, m);
		drop(w, m, why);
		return;
	}
	f->proxied = true;
	*of(w, f) = *x;
	lb_track_odd(w, f, TCP_SYN, true);
	flow_touch(f, w->lb->seconds, w->net->lb->vservice[f->service].idle[FLOW_NEW]);
	if (!wait_for(w, f)) {
		reset_client(w, f);
		close_flow(w, f, true);
		drop(w, m, DROP_LB_PROXY_WAIT);
		return;
	}
	ask_backend(w, f);
	consume(w, m);
}

enum lb_proxy_verdict lb_proxy_start(struct worker *w, struct rte_mbuf *m,
	const struct lb_ends *ends, uint32_t hash, const struct flow_key *key)
{
	const struct lb_vservice *s = &w->net->lb->vservice[key->service];
	uint8_t kind = ends->flags & (TCP_SYN | TCP_ACK | TCP_RST);
	struct proxied x;

	if (proxy_of(w) == NULL || s->proto != IP4_PROTO_TCP)
		return LB_PROXY_NOT;
	if (kind == TCP_SYN) {
		if (!is_guarded(w, key->service, 1))
			return LB_PROXY_NOT;
		answer(w, m, key);
		return LB_PROXY_TOOK;
	}
	if (kind == TCP_ACK && has_cookie(w, m, key, &x)) {
		open_flow(w, m, hash, key, &x);
		return LB_PROXY_TOOK;
	}
	w->count[COUNT_lb_cookies_failed] += w->now < proxy_of(w)->cookies_until;
	if (s->syn_proxy == LB_SYN_ALWAYS) {
		lb_refuse(w, m, DROP_LB_NO_COOKIE);
		return LB_PROXY_TOOK;
	}
	return is_guarded(w, key->service, 0) ? LB_PROXY_ALONE : LB_PROXY_NOT;
}

/* A flow that is over, or not yet there, for a client that has begun anew: takes m. */
static void begin_anew(struct worker *w, struct rte_mbuf *m, struct flow *f, struct proxied *x)
{
	struct flow_key key = key_of(f);

	lb_flow_gone(w, f);
	flow_end(w->lb->flows, f);
	open_flow(w, m, flow_hash(w->lb->flows, &key), &key, x);
}

/* From the client while its backend has not answered. Takes m. */
static void early(struct worker *w, struct rte_mbuf *m, const struct lb_ends *ends, struct flow *f)
{
	const struct tcp_hdr *tcp = pkt_l4(m);
	struct flow_key key = key_of(f);
	struct proxied *x = of(w, f), other;

	if ((ends->flags & TCP_RST) && tcp_hdr_seq(tcp) == x->isn + 1) {
		close_flow(w, f, true);
		consume(w, m);
	} else if ((ends->flags & (TCP_ACK | TCP_RST)) == TCP_ACK &&
		   tcp_hdr_ack(tcp) != x->delta + 1 && has_cookie(w, m, &key, &other)) {
		begin_anew(w, m, f, &other);
	} else {
		drop(w, m, DROP_LB_PROXY_WAIT);
	}
}

bool lb_proxy_in(struct worker *w, struct rte_mbuf *m, const struct lb_ends *ends, struct flow *f,
	struct lb_edit *e)
{
	uint8_t kind = ends->flags & (TCP_SYN | TCP_ACK | TCP_RST);
	struct flow_key key = key_of(f);
	struct proxied other;

	if (kind == TCP_SYN && f->state != FLOW_ESTABLISHED) {
		answer(w, m, &key);
		return false;
	}
	if (is_waiting(f)) {
		early(w, m, ends, f);
		return false;
	}
	if (unlikely(f->state != FLOW_ESTABLISHED && kind == TCP_ACK &&
		     has_cookie(w, m, &key, &other))) {
		begin_anew(w, m, f, &other);
		return false;
	}
	if (unlikely((f->marks & LB_REPLIED) == 0)) { /* it was reset before that */
		drop(w, m, DROP_LB_PROXY_WAIT);
		return false;
	}
	if (ends->flags & TCP_ACK)
		e->ack = 0 - of(w, f)->delta;
	return true;
}

/* --- backends --- */

/* One packet more than was taken, a bounded number of times in a pass. */
static bool may_make(struct worker *w)
{
	struct lb_proxy *p = proxy_of(w);

	if (p->pass != w->passes) {
		p->pass = w->passes;
		p->made = 0;
	}
	return p->made < PROXY_BUDGET && ++p->made > 0;
}

/* Both ends know of each other: the backend by our ACK, the client as its window opens. */
static void open_both(struct worker *w, const struct rte_mbuf *m, const struct flow *f)
{
	const struct tcp_hdr *tcp = pkt_l4(m);
	const struct proxied *x = of(w, f);
	struct flow_key key = key_of(f);
	uint32_t seq = tcp_hdr_seq(tcp) + 1;

	to_backend(w, f,
		(struct tcp_fields){
			.seq = x->isn + 1, .ack = seq, .flags = TCP_ACK, .window = x->window},
		0);
	to_client(w, &key,
		(struct tcp_fields){.seq = seq + x->delta,
			.ack = x->isn + 1,
			.flags = TCP_ACK,
			.window = tcp_hdr_window(tcp)},
		0);
}

/* A SYN-ACK that fits, the first or once more. Takes m. */
static void connected(struct worker *w, struct rte_mbuf *m, struct flow *f)
{
	const struct tcp_hdr *tcp = pkt_l4(m);
	struct proxied *x = of(w, f);

	if (!is_sound(m) || !may_make(w)) { /* it comes again */
		drop(w, m, is_sound(m) ? DROP_LB_PROXY_WAIT : DROP_TCP_BAD);
		return;
	}
	if (is_waiting(f)) {
		x->delta -= tcp_hdr_seq(tcp);
		lb_track_odd(w, f, TCP_SYN | TCP_ACK, false);
		lb_track_odd(w, f, TCP_ACK, true);
		flow_touch(f, w->lb->seconds, w->net->lb->vservice[f->service].idle[f->state]);
		w->count[COUNT_lb_proxied]++;
	}
	open_both(w, m, f);
	consume(w, m);
}

/* The first words of a backend, or what it says to a client that has gone. Takes m. */
static void first_answer(
	struct worker *w, struct rte_mbuf *m, const struct lb_ends *ends, struct flow *f)
{
	const struct tcp_hdr *tcp = pkt_l4(m);
	bool fits = (ends->flags & TCP_ACK) && tcp_hdr_ack(tcp) == of(w, f)->isn + 1;

	if (ends->flags & TCP_RST) {
		if (fits && is_waiting(f)) {
			reset_client(w, f);
			close_flow(w, f, false);
		}
		consume(w, m);
	} else if (fits && (ends->flags & TCP_SYN) && is_waiting(f)) {
		connected(w, m, f);
	} else { /* of a connection that has gone (RFC 9293 3.10.7.3): the SYN goes again */
		tcp_reset_answer(w, m);
		consume(w, m);
	}
}

bool lb_proxy_out(struct worker *w, struct rte_mbuf *m, const struct lb_ends *ends, struct flow *f,
	uint32_t *seq)
{
	const struct tcp_hdr *tcp = pkt_l4(m);
	const struct proxied *x = of(w, f);

	if ((f->marks & LB_REPLIED) == 0) {
		first_answer(w, m, ends, f);
		return false;
	}
	if (unlikely((ends->flags & TCP_SYN) && tcp_hdr_ack(tcp) == x->isn + 1)) {
		connected(w, m, f);
		return false;
	}
	*seq = x->delta;
	return true;
}

uint32_t lb_proxy_shift(const struct worker *w, const struct flow *f)
{
	return (f->marks & LB_REPLIED) != 0 ? of(w, f)->delta : 0;
}

/* --- time --- */

void lb_proxy_time(struct worker *w)
{
	struct lb_proxy *p = proxy_of(w);

	for (uint32_t i = 0; p != NULL && i < AGAIN_MOST && p->n > 0; i++) {
		struct wait at = p->wait[p->head % WAITS];
		struct flow *f = flow_at(w->lb->flows, at.ref);
		struct proxied *x = &p->of[at.ref];

		if (at.at > w->now || !may_make(w))
			return;
		p->head++;
		p->n--;
		if (!f->proxied || !is_waiting(f) || x->isn != at.isn)
			continue;
		if (++x->tries == TRIES ||
			w->net->lb->backend[f->backend].state == LB_BACKEND_ENDED) {
			reset_client(w, f);
			close_flow(w, f, true);
			continue;
		}
		flow_touch(f, w->lb->seconds, w->net->lb->vservice[f->service].idle[FLOW_NEW]);
		ask_backend(w, f);
		wait_for(w, f);
	}
}
