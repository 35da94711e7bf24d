/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * HTTP/1.1, in process: our parser of request heads beside http-parser on the same bytes, and the
 * http service on one core's TCP, from segments to segments (peers.h): the server's whole side but
 * the device and the stages around TCP.
 *
 * The page is one of 600 bytes. Rows of other sizes show what a copy costs and what a reference.
 */
#include "peers.h"

#include "files.h"
#include "http.h"
#include "wire/http1_hdr.h"

#include <http_parser.h>
#include <unistd.h>

#define HEADS 1000 /* in a slice */

static const char wrk_head[] = "GET / HTTP/1.1\r\nHost: 198.18.0.254\r\n\r\n";
static const char curl_head[] = "GET /index.html HTTP/1.1\r\nHost: 198.18.0.254\r\n"
				"User-Agent: curl/7.88.1\r\nAccept: */*\r\n\r\n";
static const char browser_head[] =
	"GET /some/where/page.html?a=b&c=d HTTP/1.1\r\nHost: www.example.com\r\n"
	"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n"
	"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n"
	"Accept-Language: en-US,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br\r\n"
	"Connection: keep-alive\r\nUpgrade-Insecure-Requests: 1\r\n"
	"Cookie: session=0123456789abcdef0123456789abcdef; theme=dark\r\n"
	"If-None-Match: \"0123456789abcdef\"\r\n\r\n";

/* --- heads --- */

static struct http1_field field[64];

static uint64_t read_ours(void *arg)
{
	static const struct http1_limits limits = {8192, 64};
	const char *head = arg;
	uint32_t len = (uint32_t)strlen(head);
	struct http1_request r;

	for (int i = 0; i < HEADS; i++) {
		uint32_t seen = 0;

		must(http1_hdr_request(head, len, &limits, &seen, &r, field) == HTTP1_OK,
			"a head was refused");
	}
	return HEADS;
}

static struct {
	uint32_t n;
	bool done;
} peer_heard;

static int hear_bytes(http_parser *p, const char *at, size_t len)
{
	struct http1_field *f = &field[peer_heard.n % 64];

	(void)p;
	f->value = (struct http1_span){(uint16_t)(uintptr_t)at, (uint16_t)len};
	peer_heard.n++;
	return 0;
}

static int hear_end(http_parser *p)
{
	(void)p;
	peer_heard.done = true;
	return 0;
}

/* It is told where everything is, too: ours has that in its array. */
static uint64_t read_peers(void *arg)
{
	static const http_parser_settings calls = {.on_url = hear_bytes,
		.on_header_field = hear_bytes,
		.on_header_value = hear_bytes,
		.on_message_complete = hear_end};
	const char *head = arg;
	size_t len = strlen(head);

	for (int i = 0; i < HEADS; i++) {
		http_parser p;

		peer_heard.done = false;
		http_parser_init(&p, HTTP_REQUEST);
		must(http_parser_execute(&p, &calls, head, len) == len && peer_heard.done,
			"http-parser refused a head");
	}
	return HEADS;
}

static void bench_ours(struct gbench *b, void *arg)
{
	measure_slices(b, read_ours, NULL, arg);
}

static void bench_peers(struct gbench *b, void *arg)
{
	measure_slices(b, read_peers, NULL, arg);
}

/* --- the service --- */

static char directory[] = "/tmp/bench-http-XXXXXX";

static void write_page(const char *name, uint32_t len)
{
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	f = fopen(path, "we");
	must(f != NULL, "no file can be written");
	for (uint32_t i = 0; i < len; i++)
		putc('a' + (char)(i % 26), f);
	fclose(f);
}

static const struct service_http_conf conf = {.head_bytes = 8192,
	.fields = 64,
	.body_bytes = 65536,
	.requests = UINT32_MAX,
	.idle_ms = 60000,
	.head_ms = 10000,
	.waiting_bytes = 4 << 20};

static struct {
	struct files *files;
	struct http_host *host;
	struct http_site *site;
} web;

static void load_pages(void)
{
	static const char *const names[] = {"index.html", "1000", "1400", "8000"};
	struct files_budget budget = {1 << 20, 100};
	struct errs e = {0};
	char path[64];

	must(mkdtemp(directory) != NULL, "no directory can be made");
	write_page(names[0], 600);
	write_page(names[1], 1000);
	write_page(names[2], 1400);
	write_page(names[3], 8000);
	web.files = files_load(&(struct files_owner){{0}, "root", directory}, &budget, 1, &e);
	for (size_t i = 0; i < RTE_DIM(names); i++) {
		snprintf(path, sizeof(path), "%s/%s", directory, names[i]);
		unlink(path);
	}
	rmdir(directory);
	must(web.files != NULL, "the pages cannot be read");
}

static void open_web(struct row *r)
{
	struct tcp_options options = tcp_settings_default.options;
	const uint32_t connections = RTE_MAX(r->connections, 1024u) + 4096;

	web.host = http_new(bench.w, connections);
	must(web.host != NULL, "no memory for connections");
	http_configure(web.host, &conf);
	web.site = http_site_open(web.host, web.files);
	http_clock(web.host, 1000, 1000000000);
	http_options(&options);
	open_stack(r, RTE_MAX(r->connections, 1024u), &tcp_http, web.site, &options);
}

static void close_web(uint64_t answered)
{
	const uint64_t *count = bench.w->count;

	must(count[COUNT_http_2xx] == answered && count[COUNT_http_requests] == answered,
		"a request was not answered");
	must(count[COUNT_tcp_retransmits] == 0, "something was sent again");
	bench.w->count[COUNT_http_2xx] = bench.w->count[COUNT_http_requests] = 0;
	http_free(web.host);
	close_stack();
}

static uint64_t asked; /* in this row */

/* What is answered to the row's request, in bytes. */
static void learn(struct row *r)
{
	struct rte_mbuf *in[1] = {request(&bench.peers[0], r)};

	free_out();
	pass(in, 1);
	r->answer_len = 0;
	for (uint32_t i = 0; i < bench.n_out; i++)
		r->answer_len += ip4_hdr_payload_len(pkt_ip4(bench.out[i])) - tcp_hdr_len(heard(i));
	bench.peers[0].ack += r->answer_len;
	asked = 1;
}

/* By a reset: of the one that has learned. */
static void hang_up(void)
{
	struct rte_mbuf *in[1] = {segment(&bench.peers[0], TCP_ACK | TCP_RST, 0, 65535, true)};

	free_out();
	pass(in, 1);
	free_out();
}

static uint64_t count_requests(void *arg)
{
	uint64_t n = request_slice(arg);

	asked += n;
	return n;
}

static void bench_keep_alive(struct gbench *b, void *arg)
{
	struct row *r = arg;

	open_web(r);
	open_all(r->connections);
	learn(r);
	measure_slices(b, count_requests, prepare_requests, r);
	close_web(asked);
}

static uint64_t count_connections(void *arg)
{
	uint64_t n = connection_slice(arg);

	asked += n;
	return n;
}

static void bench_close(struct gbench *b, void *arg)
{
	struct row *r = arg;
	struct tcp_usage u;

	open_web(r);
	open_all(1);
	learn(r);
	hang_up();
	free(bench.peers);
	bench.peers = calloc(BURST, sizeof(*bench.peers));
	measure_slices(b, count_connections, between_connections, r);
	tcp_clock(bench.t, bench.now_us);
	tcp_usage(bench.t, &u);
	must(u.connections == 0, "a connection stayed");
	close_web(asked);
}

static struct row row(uint32_t connections, const char *head)
{
	return (struct row){connections, true, head, (uint32_t)strlen(head), 0, 0};
}

#define GET(path) "GET " path " HTTP/1.1\r\nHost: 198.18.0.254\r\n\r\n"

int main(int argc, char **argv)
{
	static struct row page, curl, large, larger, huge, whole;

	make_worker();
	load_pages();
	page = row(4096, wrk_head);
	curl = row(4096, curl_head);
	large = row(4096, GET("/1000"));
	larger = row(4096, GET("/1400"));
	huge = row(1024, GET("/8000"));
	whole = row(0, wrk_head);
	gbench_add("http/head of wrk, 38 bytes/millrace", bench_ours, (void *)(uintptr_t)wrk_head);
	gbench_add(
		"http/head of wrk, 38 bytes/http-parser", bench_peers, (void *)(uintptr_t)wrk_head);
	gbench_add(
		"http/head of curl, 86 bytes/millrace", bench_ours, (void *)(uintptr_t)curl_head);
	gbench_add("http/head of curl, 86 bytes/http-parser", bench_peers,
		(void *)(uintptr_t)curl_head);
	gbench_add("http/head of a browser, 446 bytes/millrace", bench_ours,
		(void *)(uintptr_t)browser_head);
	gbench_add("http/head of a browser, 446 bytes/http-parser", bench_peers,
		(void *)(uintptr_t)browser_head);
	gbench_add("http/keep-alive GET of 600 bytes/millrace", bench_keep_alive, &page);
	gbench_add(
		"http/keep-alive GET of 600 bytes, curl's head/millrace", bench_keep_alive, &curl);
	gbench_add("http/keep-alive GET of 1000 bytes/millrace", bench_keep_alive, &large);
	gbench_add("http/keep-alive GET of 1400 bytes/millrace", bench_keep_alive, &larger);
	gbench_add("http/keep-alive GET of 8000 bytes/millrace", bench_keep_alive, &huge);
	gbench_add("http/connect, GET of 600 bytes, close/millrace", bench_close, &whole);
	return gbench_run(argc, argv);
}
