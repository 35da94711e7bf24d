/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The http service between two stacks in virtual time: bytes in, bytes out, and what it holds
 * meanwhile. The files are in memory of EAL's, the packets in heap_pool's.
 */
#define BED_POOL 4096
#include "tcp_bed.h"

#include "files_bed.h"
#include "http.h"

#define CLIENT	0xc6120001u
#define SERVER	0xc6120101u
#define PASS_US 1000
#define GOT	(8u << 20)

#define GET(path) "GET " path " HTTP/1.1\r\nHost: h\r\n\r\n"

static struct {
	struct bed client, server;
	struct http_host *host;
	struct http_site *site;
	struct files *files;
	struct service_http_conf conf;
	struct tcp_conn *conn; /* the client's; NULL: it has ended */
	bool closed;	       /* by the server */
	int ended;	       /* how; -1: not */
	bool reads;	       /* the client consumes what comes */
	uint32_t unread;
	char *got;
	uint32_t n;
	uint64_t now; /* us */
} world;

/* --- the client --- */

static void on_data(struct tcp *t, struct tcp_conn *c, struct rte_mbuf *m)
{
	assert_true(world.n + m->pkt_len <= GOT);
	for (const struct rte_mbuf *s = m; s != NULL; s = s->next) {
		memcpy(world.got + world.n, rte_pktmbuf_mtod(s, char *), s->data_len);
		world.n += s->data_len;
	}
	world.unread += m->pkt_len;
	if (world.reads) {
		tcp_consumed(t, c, UINT32_MAX);
		world.unread = 0;
	}
	rte_pktmbuf_free(m);
}

static void on_close(struct tcp *t, struct tcp_conn *c)
{
	(void)t, (void)c;
	world.closed = true;
}

static void on_end(struct tcp *t, struct tcp_conn *c, int error)
{
	(void)t, (void)c;
	world.ended = error;
	world.conn = NULL;
}

static const struct tcp_ops client_ops = {
	.on_data = on_data, .on_close = on_close, .on_end = on_end};

/* --- time --- */

/* Time goes by, with passes of both sides. */
static void live(uint32_t ms)
{
	for (uint32_t i = 0; i < ms; i++) {
		world.now += PASS_US;
		tcp_clock(world.server.t, world.now);
		http_clock(world.host, world.now / 1000, (int64_t)(world.now / 1000000));
		bed_exchange(&world.client, &world.server, world.now);
	}
}

static void open_client(void)
{
	int error;

	world.n = world.unread = 0;
	world.closed = false;
	world.ended = -1;
	world.reads = true;
	world.conn = tcp_connect(world.client.t, 0, 0, SERVER, 80, &client_ops, NULL, NULL, &error);
	assert_non_null(world.conn);
	tcp_set_nodelay(world.client.t, world.conn, true);
	live(3);
}

static int open_world(void **state)
{
	struct tcp_settings set = tcp_settings_default;
	struct tcp_limits limits = tcp_limits_default;
	struct tcp_options options;

	(void)state;
	memset(&world, 0, sizeof(world));
	limits.connections = limits.time_waits = 256;
	world.now = 5000000;
	world.got = malloc(GOT);
	world.conf = (struct service_http_conf){.head_bytes = 1024,
		.fields = 16,
		.body_bytes = 4096,
		.requests = 10000,
		.idle_ms = 60000,
		.head_ms = 10000,
		.waiting_bytes = 65536};
	bed_open(&world.client, CLIENT, &set, &limits);
	bed_open(&world.server, SERVER, &set, &limits);
	world.host = http_new(world.server.w, 256);
	world.files = load();
	assert_true(world.got != NULL && world.host != NULL);
	http_configure(world.host, &world.conf);
	world.site = http_site_open(world.host, world.files);
	assert_non_null(world.site);
	options = set.options;
	http_options(&options);
	tcp_clock(world.server.t, world.now);
	tcp_clock(world.client.t, world.now);
	tcp_listen(world.server.t, 0, 80, 64, &tcp_http, world.site, &options);
	open_client();
	return 0;
}

/* Whatever happened, nothing of it is left when the connection is gone. */
static int close_world(void **state)
{
	(void)state;
	if (world.conn != NULL)
		tcp_abort(world.client.t, world.conn);
	live(100);
	http_site_close(world.site);
	assert_false(files_in_use(world.files, 1));
	bed_close(&world.client);
	bed_close(&world.server);
	http_free(world.host);
	files_free(world.files);
	free(world.got);
	return 0;
}

static void say(const char *bytes, size_t len)
{
	struct rte_mbuf *m;

	for (size_t at = 0, part; at < len; at += part) {
		m = rte_pktmbuf_alloc(world.client.pool);
		part = RTE_MIN(len - at, (size_t)1400);
		memcpy(rte_pktmbuf_append(m, (uint16_t)part), bytes + at, part);
		assert_int_equal(tcp_send(world.client.t, world.conn, m, 0), 0);
	}
}

static uint64_t counted(enum counter c)
{
	return world.server.w->count[c];
}

/* Of the next answer from *at on: its status; *at goes behind it. Checks the page's bytes. */
static int answer(uint32_t *at, char first)
{
	const char *p = world.got + *at, *end, *length;
	size_t left = world.n - *at;
	unsigned long n;

	assert_true(world.n > *at);
	world.got[world.n] = '\0';
	end = memmem(p, left, "\r\n\r\n", 4);
	length = memmem(p, left, "Content-Length: ", 16);
	if (memcmp(p, "HTTP/1.1 ", 9) != 0 || end == NULL || length == NULL || length > end)
		fail_msg("not an answer: %.200s", p);
	n = strtoul(length + 16, NULL, 10);
	assert_true(end + 4 + n <= world.got + world.n);
	for (unsigned long i = 0; first != 0 && i < n; i++)
		assert_int_equal(end[4 + i], first + (char)(i % 23));
	*at = (uint32_t)(end + 4 + n - world.got);
	return atoi(p + 9);
}

/* --- cases --- */

/* Each place at which a request may be cut between two segments. */
static void test_every_split(void **state)
{
	const char *request = GET("/");
	size_t len = strlen(request);

	(void)state;
	for (size_t cut = 1; cut < len; cut++) {
		uint32_t at = 0;

		world.n = 0;
		say(request, cut);
		live(3);
		assert_int_equal(world.n, 0);
		say(request + cut, len - cut);
		live(3);
		assert_int_equal(answer(&at, 'a'), 200);
		assert_int_equal(at, world.n);
	}
	assert_int_equal(counted(COUNT_http_requests), len - 1);
}

/* More small segments than a window has room for, were they unread. */
static void test_byte_by_byte(void **state)
{
	static const char request[] =
		"GET / HTTP/1.1\r\nHost: h\r\nUser-Agent: somebody who writes byte by byte\r\n"
		"Accept: text/html, application/xhtml+xml, application/xml;q=0.9, */*;q=0.8\r\n"
		"\r\n";
	uint32_t at = 0;

	(void)state;
	for (const char *p = request; *p != '\0'; p++) {
		say(p, 1);
		live(1);
	}
	live(3);
	assert_int_equal(answer(&at, 'a'), 200);
	assert_int_equal(world.server.w->books.drop[DROP_TCP_CROWDED], 0);
}

/* One byte a second is not progress enough. */
static void test_head_timeout(void **state)
{
	const char *request = GET("/");
	uint32_t at = 0, ms = 0;

	(void)state;
	for (; world.n == 0 && ms < 30000; ms += 1000) {
		say(request++, 1);
		live(1000);
	}
	assert_int_equal(ms, 11000); /* the first after ten seconds found it closed */
	assert_int_equal(answer(&at, 0), 408);
	assert_non_null(strstr(world.got, "Connection: close\r\n"));
	assert_true(world.closed);
	live(3000); /* it does not read our end either: reset */
	assert_int_equal(world.ended, ECONNRESET);
	assert_int_equal(counted(COUNT_http_timeouts), 1);
}

/* A body that does not come: its request has an answer, which the client would take a second for
 * the next one's.
 */
static void test_body_timeout(void **state)
{
	static const char head[] = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\n";
	uint32_t at = 0;

	(void)state;
	say(head, sizeof(head) - 1);
	live(9000);
	assert_int_equal(answer(&at, 0), 405);
	assert_false(world.closed);
	live(1100);
	assert_true(world.closed);
	assert_int_equal(at, world.n);
	assert_int_equal(counted(COUNT_http_timeouts), 1);
}

static void test_idle_timeout(void **state)
{
	(void)state;
	live(40000);
	say(GET("/"), strlen(GET("/")));
	live(59000);
	assert_false(world.closed);
	live(1100);
	assert_true(world.closed);
	assert_int_equal(counted(COUNT_http_timeouts), 1);
}

/* A peer that does not read does not get to ask, and gets everything when it reads. */
static void test_backpressure(void **state)
{
	const char *request = GET("/big");
	size_t len = strlen(request);
	uint32_t at = 0;

	(void)state;
	world.reads = false;
	for (int i = 0; i < 600; i++)
		if (tcp_send_room(world.client.t, world.conn) > len)
			say(request, len);
	live(500);
	assert_int_equal(counted(COUNT_http_requests), 1);
	assert_true(world.n < BIG);
	world.reads = true;
	world.unread = 0;
	tcp_consumed(world.client.t, world.conn, UINT32_MAX);
	for (int i = 0; i < 3000 && world.n < 2 * BIG; i++)
		live(1);
	assert_true(counted(COUNT_http_requests) >= 2);
	assert_int_equal(answer(&at, 'A'), 200);
	assert_int_equal(answer(&at, 'A'), 200);
}

/* Many small answers fill the queue; what waits for room in it is asked for, and is not half. */
static void ask_for_many(uint32_t n)
{
	const char *request = GET("/");
	size_t len = strlen(request);
	char *all = malloc(n * len);

	assert_non_null(all);
	for (uint32_t i = 0; i < n; i++)
		memcpy(all + i * len, request, len);
	world.reads = false;
	say(all, n * len);
	free(all);
	live(100);
	assert_true(counted(COUNT_http_requests) < n);
}

static void read_on(uint32_t answers)
{
	uint32_t at = 0;

	assert_non_null(world.conn);
	world.reads = true;
	world.unread = 0;
	tcp_consumed(world.client.t, world.conn, UINT32_MAX);
	live(1000);
	for (uint32_t i = 0; i < answers; i++)
		assert_int_equal(answer(&at, 'a'), 200);
	assert_int_equal(at, world.n);
}

static void test_answers_that_wait_for_room(void **state)
{
	(void)state;
	ask_for_many(3300);
	live(15000); /* longer than a head may take */
	read_on(3300);
}

static void test_end_while_answers_wait(void **state)
{
	(void)state;
	ask_for_many(3300);
	tcp_shutdown(world.client.t, world.conn);
	live(10);
	read_on(3300);
	assert_true(world.closed);
}

/* And one who never reads is let go, though its acknowledgements of probes keep TCP content. */
static void test_a_reader_that_stopped(void **state)
{
	(void)state;
	world.reads = false;
	say(GET("/big"), strlen(GET("/big")));
	live(1000);
	assert_int_equal(world.ended, -1);
	live(62000);
	assert_int_equal(world.ended, ECONNRESET);
	assert_int_equal(counted(COUNT_http_timeouts), 1);
}

/* Buffers run out in the middle: it goes on when there are some again. */
static void test_without_buffers(void **state)
{
	struct rte_mbuf *taken[BED_POOL];
	uint32_t n = 0, at = 0;

	(void)state;
	say(GET("/big"), strlen(GET("/big")));
	live(2);
	while ((taken[n] = rte_pktmbuf_alloc(world.server.pool)) != NULL)
		n++;
	world.now += PASS_US;
	http_clock(world.host, world.now / 1000, 0);
	rte_pktmbuf_free_bulk(taken, n);
	for (int i = 0; i < 5000 && world.n < BIG; i++)
		live(1);
	assert_int_equal(answer(&at, 'A'), 200);
}

/* New files while the old one is on its way: the answer is the old one's to its end. */
static void test_other_files(void **state)
{
	struct files *old = world.files;
	uint32_t at = 0;

	(void)state;
	say(GET("/big"), strlen(GET("/big")));
	live(4);
	write_file("big", BIG, 'a');
	world.files = load();
	http_site_give(world.site, world.files);
	assert_true(files_in_use(old, 1));
	say(GET("/big"), strlen(GET("/big")));
	for (int i = 0; i < 3000 && world.n < 2 * BIG; i++)
		live(1);
	live(100);
	write_file("big", BIG, 'A');
	assert_false(files_in_use(old, 1));
	files_free(old);
	assert_int_equal(answer(&at, 'A'), 200);
	assert_int_equal(answer(&at, 'a'), 200);
}

/* A service that is gone says so, once. */
static void test_closed_site(void **state)
{
	struct http_site *site = world.site;
	uint32_t at = 0;

	(void)state;
	world.site = http_site_open(world.host, world.files);
	http_site_close(site);
	say(GET("/"), strlen(GET("/")));
	live(10);
	assert_int_equal(answer(&at, 0), 503);
	assert_true(world.closed);
}

/* All that waits on a worker is bounded: a head in halves is refused, a whole one is not. */
static void test_waiting_limit(void **state)
{
	uint32_t at = 0;

	(void)state;
	world.conf.waiting_bytes = 256;
	http_configure(world.host, &world.conf);
	say(GET("/"), strlen(GET("/")));
	live(5);
	assert_int_equal(answer(&at, 'a'), 200);
	say("GET /", 5);
	live(5);
	assert_int_equal(answer(&at, 0), 503);
	assert_true(world.closed);
}

static void test_requests_limit(void **state)
{
	uint32_t at = 0;

	(void)state;
	world.conf.requests = 3;
	http_configure(world.host, &world.conf);
	for (int i = 0; i < 5; i++)
		say(GET("/"), strlen(GET("/")));
	live(10);
	for (int i = 0; i < 3; i++)
		assert_int_equal(answer(&at, 'a'), 200);
	assert_int_equal(at, world.n);
	assert_true(world.closed);
}

/* The server's words arrive, though there is more to come that nobody will read. */
static void test_last_words(void **state)
{
	static char long_body[20000];
	static const char head[] = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 20000\r\n\r\n";
	uint32_t at = 0;

	(void)state;
	say(head, sizeof(head) - 1);
	say(long_body, sizeof(long_body));
	live(50);
	assert_int_equal(answer(&at, 0), 413);
	assert_true(world.closed);
	assert_int_equal(world.ended, -1);
	tcp_close(world.client.t, world.conn);
	world.conn = NULL;
	live(50);
}

/* And all of them, however long the peer takes to read, as long as it does. */
static void test_last_words_that_take_long(void **state)
{
	uint32_t at = 0;

	(void)state;
	world.conf.requests = 1;
	http_configure(world.host, &world.conf);
	tcp_set_buffers(world.client.t, world.conn, 1 << 16, 1 << 16);
	say(GET("/big"), strlen(GET("/big")));
	while (world.n < BIG - (700 << 10))
		live(1);
	for (world.reads = false; world.n < BIG;) {
		live(5000);
		assert_int_equal(world.ended, -1);
		world.unread = 0;
		tcp_consumed(world.client.t, world.conn, UINT32_MAX);
		live(50);
	}
	assert_int_equal(answer(&at, 'A'), 200);
	assert_true(world.closed);
	live(3000); /* but to close, it has only so long */
	assert_int_equal(world.ended, ECONNRESET);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, open_world, close_world)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_every_split),
		CASE(test_byte_by_byte),
		CASE(test_head_timeout),
		CASE(test_body_timeout),
		CASE(test_idle_timeout),
		CASE(test_backpressure),
		CASE(test_answers_that_wait_for_room),
		CASE(test_end_while_answers_wait),
		CASE(test_a_reader_that_stopped),
		CASE(test_without_buffers),
		CASE(test_other_files),
		CASE(test_closed_site),
		CASE(test_waiting_limit),
		CASE(test_requests_limit),
		CASE(test_last_words),
		CASE(test_last_words_that_take_long),
	};

	return cmocka_run_group_tests(tests, make_files, remove_files);
}
