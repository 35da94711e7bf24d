/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The http service given any bytes, cut anyhow, by a client over the simulated wire of two stacks:
 * what it says begins with answers, time ends every connection, and nothing is left.
 *
 * A byte of length and then that many bytes are a segment; a length of 0 lets time pass.
 */
#include "property.h"

#define BED_POOL 1024
#include "tcp_bed.h"

#include "eal.h"
#include "files.h"
#include "http.h"

#include <unistd.h>

#define SERVER 0xc6120101u

static struct {
	struct bed client, server;
	struct http_host *host;
	struct http_site *site;
	struct tcp_conn *conn;
	uint64_t now;
	uint32_t heard;
	char first[16];
} world;

static struct files *files;

static void on_data(struct tcp *t, struct tcp_conn *c, struct rte_mbuf *m)
{
	const char *p = rte_pktmbuf_mtod(m, const char *);

	for (uint32_t i = 0; i < m->data_len && world.heard + i < sizeof(world.first); i++)
		world.first[world.heard + i] = p[i];
	world.heard += m->pkt_len;
	tcp_consumed(t, c, UINT32_MAX);
	rte_pktmbuf_free(m);
}

static void on_end(struct tcp *t, struct tcp_conn *c, int error)
{
	(void)t, (void)c, (void)error;
	world.conn = NULL;
}

static const struct tcp_ops ops = {.on_data = on_data, .on_end = on_end};

static void live(uint32_t passes, uint32_t ms)
{
	for (uint32_t i = 0; i < passes; i++) {
		world.now += ms * 1000;
		tcp_clock(world.server.t, world.now);
		http_clock(world.host, world.now / 1000, (int64_t)(world.now / 1000000));
		bed_exchange(&world.client, &world.server, world.now);
	}
}

static void load(void)
{
	static char root[] = "/tmp/fuzz-http-XXXXXX";
	struct files_budget budget = {1 << 20, 10};
	struct errs e = {0};
	char path[64];
	FILE *f;

	HOLDS(eal_for_tests(32) == 0 && mkdtemp(root) != NULL);
	snprintf(path, sizeof(path), "%s/index.html", root);
	f = fopen(path, "we");
	HOLDS(f != NULL);
	for (int i = 0; i < 50000; i++)
		putc('x', f);
	fclose(f);
	files = files_load(&(struct files_owner){{0}, "root", root}, &budget, 1, &e);
	unlink(path);
	rmdir(root);
	HOLDS(files != NULL);
}

static void begin(void)
{
	static const struct service_http_conf conf = {.head_bytes = 1024,
		.fields = 16,
		.body_bytes = 4096,
		.requests = 50,
		.idle_ms = 60000,
		.head_ms = 10000,
		.waiting_bytes = 8192};
	struct tcp_settings set = tcp_settings_default;
	struct tcp_limits limits = tcp_limits_default;
	struct tcp_options options = set.options;
	int error;

	memset(&world, 0, sizeof(world));
	limits.connections = limits.time_waits = 16;
	world.now = 1000000;
	bed_open(&world.client, 0xc6120001u, &set, &limits);
	bed_open(&world.server, SERVER, &set, &limits);
	world.host = http_new(world.server.w, 16);
	http_configure(world.host, &conf);
	world.site = http_site_open(world.host, files);
	http_options(&options);
	tcp_clock(world.server.t, world.now);
	tcp_clock(world.client.t, world.now);
	tcp_listen(world.server.t, 0, 80, 4, &tcp_http, world.site, &options);
	world.conn = tcp_connect(world.client.t, 0, 0, SERVER, 80, &ops, NULL, NULL, &error);
	HOLDS(world.conn != NULL);
	tcp_set_nodelay(world.client.t, world.conn, true);
	live(2, 1);
}

static void end(void)
{
	live(3, 1000);
	live(70, 1000); /* longer than anything is waited for */
	HOLDS(world.heard == 0 || memcmp(world.first, "HTTP/1.1 ", RTE_MIN(world.heard, 9u)) == 0);
	if (world.conn != NULL)
		tcp_abort(world.client.t, world.conn);
	live(3, 1);
	http_site_close(world.site);
	HOLDS(!files_in_use(files, 1));
	bed_close(&world.client);
	bed_close(&world.server);
	http_free(world.host);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (files == NULL)
		load();
	begin();
	while (size > 0 && world.conn != NULL) {
		size_t n = RTE_MIN((size_t)*data++, size - 1);
		struct rte_mbuf *m;

		size--;
		if (n == 0) {
			live(1, 500);
			continue;
		}
		m = rte_pktmbuf_alloc(world.client.pool);
		memcpy(rte_pktmbuf_append(m, (uint16_t)n), data, n);
		if (tcp_send(world.client.t, world.conn, m, 0) != 0)
			rte_pktmbuf_free(m);
		live(1, 1);
		data += n;
		size -= n;
	}
	end();
	return 0;
}
