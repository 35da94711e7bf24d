/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The balancer from rx to tx on a preloaded ring: the appliance's own pipeline, its TCP stack and
 * every check on, 64-byte segments of TCP, 16 backends.
 *
 * A balanced packet is another one afterwards, so a lap is timed by itself: before each, outside
 * the clock, every packet is written anew, for its flow or, where flows are at random, for another
 * of all. So 1,024 packets in flight find a flow whose line nothing has touched since, as a NIC's
 * ring would have it; with 65,536 in flight the packets themselves come from beyond L2, too.
 *
 * Flows are made by packets through the same pipeline. Each bench asserts that every packet was
 * forwarded to whom its flow belongs, that no flow was added or lost, and that nothing was dropped.
 * (Of a million flows a few find no place in the table, and go by the hash.)
 */
#include "laps.h"
#include "lb/lb.h"
#include "lb/maglev.h"
#include "pipelines/appliance.h"
#include "routes.h"
#include "service/service.h"
#include "wire/tcp_hdr.h"

#define BACKENDS     16
#define PORT	     80
#define BACKEND_PORT 8080
#define NOBODY	     255
#define SOME	     1024
#define CLIENTS	     65536 /* addresses */

/* What a row's packets are. */
enum way {
	TO_BACKEND,
	TO_CLIENT,
	TRANSIT, /* of nobody's service */
};

static const struct mode {
	const char *name;
	enum lb_mode mode;
	bool keep;
} modes[] = {
	{"nat", LB_NAT, true},
	{"dsr, table", LB_DSR, true},
	{"dsr, maglev alone", LB_DSR, false},
	{"ipip, maglev alone", LB_IPIP, false},
};

struct row {
	uint32_t service; /* index in modes */
	enum way way;
	uint32_t packets; /* in flight */
	uint32_t flows;	  /* more than packets: drawn at random */
	uint32_t laps;	  /* of one slice */
};

static struct {
	uint32_t flows;	   /* of nat: all that there are */
	uint8_t *backend;  /* of each flow of nat, or NOBODY */
	uint64_t seed;	   /* of the draw */
	uint32_t *drawn;   /* the flow of each packet in flight */
	uint32_t new_from; /* clients of connections not made yet */
} bench;

static uint32_t service_addr(uint32_t service)
{
	return ip4_addr(198, 18, 0, (uint8_t)(100 + service));
}

static uint32_t backend_addr(uint32_t backend)
{
	return ip4_addr(198, 18, 1, (uint8_t)(1 + backend));
}

static uint32_t client_addr(uint32_t flow)
{
	return ip4_addr(100, 64, 0, 0) + flow % CLIENTS;
}

static uint16_t client_port(uint32_t flow)
{
	return (uint16_t)(1024 + flow / CLIENTS % 60000);
}

static uint32_t flow_of(uint32_t addr, uint16_t port)
{
	return (port - 1024u) * CLIENTS + addr - ip4_addr(100, 64, 0, 0);
}

/* --- services --- */

/* With an empty table of flows. */
static void make_services(void)
{
	static struct lb_backend_conf backends[RTE_DIM(modes)][BACKENDS];
	static struct lb_service_conf services[RTE_DIM(modes)];
	struct lb_conf c = {.n_services = RTE_DIM(modes),
		.services = services,
		.timeouts = {30000, 7440000, 240000, 10000, 30000, 300000, 30000},
		.seed = "bench",
		.max_flows = bench.flows + bench.flows / 4,
		.max_services = 256,
		.max_backends = 2048};
	struct errs e = {0};

	for (uint32_t i = 0; i < RTE_DIM(modes); i++) {
		services[i] = (struct lb_service_conf){.addr = service_addr(i),
			.port = PORT,
			.last_port = PORT,
			.protocol = LB_TCP,
			.mode = modes[i].mode,
			.keep = modes[i].keep,
			.takeover = true,
			.table_size = MAGLEV_SIZE,
			.tunnel_source = ip4_addr(198, 18, 1, 254),
			.n_backends = BACKENDS,
			.backends = backends[i]};
		snprintf(services[i].name, sizeof(services[i].name), "s%u", i);
		for (uint32_t j = 0; j < BACKENDS; j++)
			backends[i][j] = (struct lb_backend_conf){.addr = backend_addr(j),
				.port = modes[i].mode == LB_NAT ? BACKEND_PORT : 0,
				.weight = 1};
	}
	lb_detach(laps.net);
	must(lb_attach(laps.net, &c) == 0, "no memory for flows");
	must(lb_build(laps.net, &c, &e) == 0, "the services were refused");
	lb_publish(laps.net, 0);
	lb_retire(laps.net);
	laps_routes_done();
}

static void make_net(void)
{
	struct net_limits limits = net_limits_default;
	static const struct services_conf host = {.tcp = {.connections = 1024, .time_waits = 1024}};

	laps_net(&limits);
	laps_route(ip4_addr(100, 64, 0, 0), 10, laps_hop(ip4_addr(198, 18, 2, 1)));
	for (uint32_t i = 0; i < BACKENDS; i++)
		laps_route(backend_addr(i), 32, laps_hop(backend_addr(i)));
	laps_routes_done();
	must(service_attach(laps.net, &host) == 0, "no memory for the host");
	laps_device();
}

/* --- packets --- */

struct ends {
	uint32_t src, dst;
	uint16_t sport, dport;
};

/* A frame of 60 bytes, whatever it has grown to. */
static char *frame_of(struct rte_mbuf *m)
{
	rte_pktmbuf_reset_headroom(m);
	m->data_len = FRAME;
	m->pkt_len = FRAME;
	return rte_pktmbuf_mtod(m, char *);
}

static void write_packet(struct rte_mbuf *m, const struct ends *e, uint8_t flags)
{
	const uint16_t l4_len = FRAME - ETH_HDR_LEN - IP4_HDR_LEN;
	char *frame = frame_of(m);
	struct tcp_hdr *tcp = (struct tcp_hdr *)(frame + ETH_HDR_LEN + IP4_HDR_LEN);

	eth_hdr_build((struct eth_hdr *)frame, laps_mac, laps_mac, ETH_TYPE_IP4);
	ip4_hdr_build((struct ip4_hdr *)(frame + ETH_HDR_LEN),
		&(struct ip4_fields){.total_len = FRAME - ETH_HDR_LEN,
			.ttl = 64,
			.proto = IP4_PROTO_TCP,
			.src = e->src,
			.dst = e->dst});
	tcp_hdr_build(tcp,
		&(struct tcp_fields){
			.sport = e->sport, .dport = e->dport, .window = 65535, .flags = flags});
	tcp_hdr_csum_set(tcp, l4_len, to_be32(e->src), to_be32(e->dst));
}

static struct ends ends_of(const struct row *r, uint32_t flow)
{
	if (r->way == TO_CLIENT)
		return (struct ends){backend_addr(bench.backend[flow]), client_addr(flow),
			BACKEND_PORT, client_port(flow)};
	return (struct ends){client_addr(flow),
		r->way == TRANSIT ? backend_addr(flow % BACKENDS) : service_addr(r->service),
		client_port(flow), PORT};
}

static struct ends ends_in(const struct rte_mbuf *m)
{
	const struct ip4_hdr *ip = pkt_ip4(m);
	const struct tcp_hdr *tcp = pkt_l4(m);

	return (struct ends){
		ip4_hdr_src(ip), ip4_hdr_dst(ip), from_be16(tcp->sport), from_be16(tcp->dport)};
}

static void load(uint32_t packets)
{
	laps_empty();
	for (uint32_t i = 0; i < packets; i++) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(laps.pool);

		must(m != NULL && rte_pktmbuf_append(m, FRAME) != NULL, "no buffer");
		memset(rte_pktmbuf_mtod(m, char *), 0, FRAME);
		laps_give(m);
	}
}

static uint32_t draw(uint32_t flows)
{
	uint32_t flow;

	do
		flow = random_below(&bench.seed, flows);
	while (bench.backend[flow] == NOBODY);
	return flow;
}

/* The next lap's packets. */
static void deal(const struct row *r)
{
	for (uint32_t i = 0; i < r->packets; i++) {
		struct rte_mbuf *m = laps_take();
		uint32_t flow = r->flows > r->packets ? draw(r->flows) : i;
		struct ends e = ends_of(r, flow);

		bench.drawn[i] = flow;
		write_packet(m, &e, TCP_ACK);
		laps_give(m);
	}
}

/* The packets come back the other way: the next words of their conversations. */
static void turn_round(uint32_t packets, uint8_t flags)
{
	for (uint32_t i = 0; i < packets; i++) {
		struct rte_mbuf *m = laps_take();
		struct ends e = ends_in(m);

		write_packet(m, &(struct ends){e.dst, e.src, e.dport, e.sport}, flags);
		laps_give(m);
	}
}

/* Clients that were not there before say their first words. */
static void begin(uint32_t packets, uint32_t service, uint32_t first)
{
	for (uint32_t i = 0; i < packets; i++) {
		struct rte_mbuf *m = laps_take();
		write_packet(m,
			&(struct ends){client_addr(first + i), service_addr(service),
				client_port(first + i), PORT},
			TCP_SYN);
		laps_give(m);
	}
}

static uint64_t lap(uint32_t packets)
{
	uint64_t done = 0;

	while (done < packets)
		done += appliance(laps.w);
	return done;
}

/* Flows whose replies are not the service's have found no place, and are left out of the draw. */
static void without_place(void)
{
	for (uint32_t i = 0; i < SOME; i++) {
		struct rte_mbuf *m = laps_take();
		struct ends e = ends_in(m);

		if (e.src != service_addr(0))
			bench.backend[flow_of(e.dst, e.dport)] = NOBODY;
		laps_give(m);
	}
}

/* All flows of a service, by their first three packets. */
static void establish(uint32_t service, uint32_t flows)
{
	bool nat = modes[service].mode == LB_NAT;

	load(SOME);
	for (uint32_t first = 0; first < flows; first += SOME) {
		begin(SOME, service, first);
		lap(SOME);
		for (uint32_t i = 0; nat && i < SOME; i++) {
			struct rte_mbuf *m = laps_take();

			bench.backend[first + i] = (uint8_t)(ends_in(m).dst - backend_addr(0));
			laps_give(m);
		}
		if (!nat)
			continue;
		turn_round(SOME, TCP_SYN | TCP_ACK);
		lap(SOME);
		without_place();
		turn_round(SOME, TCP_ACK);
		lap(SOME);
	}
	must(flow_count(laps.w->lb->flows)->refused <= bench.flows / 1000 + 4,
		"flows had no place");
	laps_are_clean(SOME);
}

/* --- established flows --- */

/* Where one lap's packets are, against where they should be. */
static void assert_hits(const struct row *r)
{
	enum lb_mode mode = r->way == TRANSIT ? LB_DSR : modes[r->service].mode;
	bool nat = mode == LB_NAT;

	deal(r);
	lap(r->packets);
	for (uint32_t i = 0; i < r->packets; i++) {
		struct rte_mbuf *m = laps_take();
		uint32_t flow = bench.drawn[i];
		struct ends e = ends_in(m), was = ends_of(r, flow);

		if (nat && r->way == TO_BACKEND)
			must(e.src == was.src && e.dport == BACKEND_PORT &&
					e.dst == backend_addr(bench.backend[flow]),
				"a packet went to another backend");
		else if (nat)
			must(e.src == service_addr(r->service) && e.sport == PORT &&
					e.dst == was.dst && e.dport == was.dport,
				"a reply is not the service's");
		else
			must(mode == LB_IPIP ? pkt_ip4(m)->proto == IP4_PROTO_IPIP
					     : e.dst == was.dst && pkt_ip4(m)->ttl == 63,
				"a packet was changed");
		laps_give(m);
	}
}

static uint64_t slice(void *arg)
{
	const struct row *r = arg;
	uint64_t done = 0;

	for (uint32_t i = 0; i < r->laps; i++) {
		measure_stop();
		deal(r);
		measure_go_on();
		done += lap(r->packets);
	}
	return done;
}

static void report_stages(struct gbench *b)
{
	static const enum stage_id shown[] = {STAGE_check, STAGE_replies, STAGE_fib_in,
		STAGE_forward, STAGE_balance, STAGE_forward_out, STAGE_tx};

	for (size_t i = 0; i < RTE_DIM(shown); i++) {
		struct stage_count *c = &laps.w->stage[shown[i]];

		if (c->timed_packets > 0)
			gbench_counter(b, stage_name(shown[i]),
				(double)c->timed_ticks / (double)c->timed_packets);
	}
}

static uint64_t packets_of(uint32_t service)
{
	const struct lb_worker *lb = laps.w->lb;
	uint64_t n = 0;

	for (uint32_t i = 0; i < BACKENDS; i++) {
		uint32_t slot = service * BACKENDS + i;

		n += lb->backend[slot].packets_in + lb->backend[slot].packets_out;
	}
	return n;
}

/* The rows of connections come first: they leave closed flows everywhere. */
static void prepare_flows(void)
{
	static bool prepared;

	if (prepared)
		return;
	prepared = true;
	make_services();
	establish(0, bench.flows);
	establish(1, SOME);
}

static void bench_flows(struct gbench *b, void *arg)
{
	struct row *r = arg;
	const struct flow_count *flows;
	uint64_t added, sent, counted;

	prepare_flows();
	flows = flow_count(laps.w->lb->flows);
	added = flows->added;
	load(r->packets);
	assert_hits(r);
	memset(laps.w->stage, 0, sizeof(laps.w->stage));
	slice(r);
	sent = laps.w->books.tx;
	counted = packets_of(r->service);
	measure_slices(b, slice, NULL, r);
	sent = laps.w->books.tx - sent;
	report_stages(b);
	if (r->way == TRANSIT)
		sent = 0;
	must(packets_of(r->service) - counted == sent, "a packet was no backend's");
	must(flows->added == added, "a flow was added");
	assert_hits(r);
	laps_are_clean(r->packets);
}

/* The same packets in a worker that does not balance at all. */
static void bench_without(struct gbench *b, void *arg)
{
	struct row *r = arg;
	struct lb_worker *lb = laps.w->lb;

	laps.w->lb = NULL;
	load(r->packets);
	slice(r);
	measure_slices(b, slice, NULL, r);
	report_stages(b);
	laps.w->lb = lb;
	laps_are_clean(r->packets);
}

/* A balancer whose services have gone, but for DSR's: nothing to look for among what passes. */
static void bench_no_services(struct gbench *b, void *arg)
{
	bool behind;

	prepare_flows();
	behind = atomic_exchange(&laps.net->lb->behind, false);
	bench_flows(b, arg);
	atomic_store(&laps.net->lb->behind, behind);
}

/* --- connections --- */

/* Client and backend in turn; what a short request over one segment each way needs at least. */
static const uint8_t words[] = {TCP_SYN, TCP_SYN | TCP_ACK, TCP_ACK | TCP_PSH, TCP_ACK | TCP_PSH,
	TCP_FIN | TCP_ACK, TCP_FIN | TCP_ACK, TCP_ACK};

static uint64_t connections(void *arg)
{
	const struct row *r = arg;

	for (size_t i = 0; i < RTE_DIM(words); i++) {
		measure_stop();
		if (i == 0)
			begin(r->packets, r->service, bench.new_from);
		else
			turn_round(r->packets, words[i]);
		measure_go_on();
		lap(r->packets);
	}
	bench.new_from += r->packets;
	return r->packets;
}

static void bench_connections(struct gbench *b, void *arg)
{
	const struct row *r = arg;
	const struct flow_count *flows = flow_count(laps.w->lb->flows);
	uint64_t added = flows->added, displaced = flows->displaced, first = bench.new_from;

	load(r->packets);
	memset(laps.w->stage, 0, sizeof(laps.w->stage));
	for (uint32_t i = 0; i < r->flows; i += r->packets) /* as it is after some seconds of it */
		connections(arg);
	measure_slices(b, connections, NULL, arg);
	report_stages(b);
	must(flows->added - added == bench.new_from - first, "a flow was not a new one");
	gbench_counter(b, "displaced",
		(double)(flows->displaced - displaced) / (double)(flows->added - added));
	must(flows->refused == 0, "a flow had no place");
	laps_are_clean(r->packets);
}

/* --- peers --- */

/* A figure that others published: not measured here, so a ratio to it is rough. */
static void bench_published(struct gbench *b, void *arg)
{
	double cycles = *(const double *)arg;

	while (gbench_next(b))
		gbench_keep(0);
	gbench_counter(b, "cycles_min", cycles);
	gbench_counter(b, "cycles_median", cycles);
	gbench_label(b, "published, 2.5 GHz");
}

static const struct {
	const char *name;
	double cycles;
} published[] = {
	{"lb/nat to backend, 1024 flows/l3fwd exact match, whole", 83},
	{"lb/nat to backend, 1024 flows/DPVS at 2.9 Mpps", 860},
	{"lb/nat to backend, 1024 flows/VPP lb at 3 Mpps", 833},
	{"lb/nat to backend, 1M flows/l3fwd exact match, 65536 flows", 167},
	{"lb/connection, 7 packets/DPVS at 200k a second", 12500},
};

int main(int argc, char **argv)
{
	static struct row nat_in = {0, TO_BACKEND, SOME, SOME, 10},
			  nat_out = {0, TO_CLIENT, SOME, SOME, 10},
			  nat_in_many = {0, TO_BACKEND, SOME, 0, 10},
			  nat_out_many = {0, TO_CLIENT, SOME, 0, 10},
			  nat_cold = {0, TO_BACKEND, 65536, 0, 1},
			  dsr_table = {1, TO_BACKEND, SOME, SOME, 10},
			  dsr = {2, TO_BACKEND, SOME, SOME, 10},
			  dsr_many = {2, TO_BACKEND, SOME, 0, 10},
			  ipip = {3, TO_BACKEND, SOME, SOME, 10},
			  transit = {0, TRANSIT, SOME, SOME, 10},
			  conns = {0, TO_BACKEND, SOME, 0, 1};

	bench.flows = measure_short() ? 65536 : 1 << 20;
	nat_in_many.flows = nat_out_many.flows = nat_cold.flows = dsr_many.flows = bench.flows;
	conns.flows = bench.flows * 2;
	measure_eal(256);
	laps.pool = rte_pktmbuf_pool_create("packets", 70000, 512, 0, 2048 + 128, 0);
	bench.backend = calloc(bench.flows, sizeof(*bench.backend));
	bench.drawn = calloc(65536, sizeof(*bench.drawn));
	must(laps.pool != NULL && bench.backend != NULL && bench.drawn != NULL, "no memory");
	make_net();
	make_services();
	gbench_add("lb/connection, 7 packets/millrace", bench_connections, &conns);
	gbench_add("lb/transit/no balancer", bench_without, &transit);
	gbench_add("lb/transit/a balancer without bindings", bench_no_services, &transit);
	gbench_add("lb/transit/millrace", bench_flows, &transit);
	gbench_add("lb/nat to backend, 1024 flows/millrace", bench_flows, &nat_in);
	gbench_add("lb/nat to client, 1024 flows/millrace", bench_flows, &nat_out);
	gbench_add("lb/nat to backend, 1M flows/millrace", bench_flows, &nat_in_many);
	gbench_add("lb/nat to client, 1M flows/millrace", bench_flows, &nat_out_many);
	gbench_add("lb/nat to backend, 1M flows, 65536 in flight/millrace", bench_flows, &nat_cold);
	gbench_add("lb/dsr with table, 1024 flows/millrace", bench_flows, &dsr_table);
	gbench_add("lb/dsr by maglev alone, 1024 flows/millrace", bench_flows, &dsr);
	gbench_add("lb/ipip by maglev alone, 1024 flows/millrace", bench_flows, &ipip);
	gbench_add("lb/dsr by maglev alone, 1M flows/millrace", bench_flows, &dsr_many);
	for (size_t i = 0; i < RTE_DIM(published); i++)
		gbench_add(published[i].name, bench_published, (void *)&published[i].cycles);
	return gbench_run(argc, argv);
}
