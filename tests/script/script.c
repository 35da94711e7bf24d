/* SPDX-License-Identifier: BSD-3-Clause */
/* A case, line by line: [TIME] VERB WORDS. README.md says what they mean. */
#include "script.h"

#include "wire/icmp_hdr.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

_Noreturn void fail(struct bed *b, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fprintf(stderr, "%s:%d: ", b->file, b->line);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
	longjmp(b->failed, 1);
}

void split_words(char *line, struct words *w)
{
	w->n = 0;
	for (char *rest = line, *word; (word = strsep(&rest, " \t\n")) != NULL;) {
		if (word[0] == '#')
			return;
		if (word[0] != 0 && w->n < WORDS_MAX)
			w->word[w->n++] = word;
	}
}

/* --- time --- */

static uint64_t now(const struct bed *b)
{
	return b->t == NULL ? 0 : b->now_us - b->start_us;
}

/* "0.040" from the start, "+40ms", "+2s" from now. False: the word is no time. */
static bool read_time(const struct bed *b, const char *word, uint64_t *us)
{
	double value;
	char *unit;

	if (strspn(word, "+.0123456789") == 0)
		return false;
	value = strtod(word + (word[0] == '+'), &unit);
	if (strcmp(unit, "ms") == 0)
		value /= 1e3;
	else if (strcmp(unit, "us") == 0)
		value /= 1e6;
	else if (strcmp(unit, "s") != 0 && *unit != 0)
		return false;
	*us = (uint64_t)(value * 1e6 + 0.5) + (word[0] == '+' ? now(b) : 0);
	return true;
}

/* --- what must not be --- */

static void no_packet_waits(struct bed *b)
{
	char came[256];

	if (b->n_out == 0)
		return;
	packet_print(b, b->out[0].m, came, sizeof(came));
	fail(b, "before this line came, at %.6f: %s", (double)b->out[0].at / 1e6, came);
}

static void no_event_waits(struct bed *b)
{
	char came[64];

	if (b->n_events == 0)
		return;
	event_print(&b->event[0], came, sizeof(came));
	fail(b, "before this line came: %s", came);
}

/* --- verbs --- */

static void verb_in(struct bed *b, const struct words *w, uint32_t at)
{
	bool last = strcmp(w->word[at], "<") == 0;
	struct rte_mbuf *m;
	struct packet p;

	bed_stack(b);
	packet_read(b, w, at + 1, &p);
	if (b->n_in == TCP_BURST)
		fail(b, "more than %d segments in a burst", TCP_BURST);
	m = packet_make(b, &p); /* may fail */
	b->in[b->n_in++] = m;
	if (last)
		bed_pass(b);
}

/* timed: the packet comes then and not before. */
static void verb_out(struct bed *b, const struct words *w, uint32_t at, bool timed, uint64_t us)
{
	uint64_t came;
	struct packet p;
	struct rte_mbuf *m;

	packet_read(b, w, at + 1, &p);
	if (b->n_out == 0)
		bed_run_until_packet(b, (timed ? us : now(b)) + SLACK_US);
	if (b->n_out == 0)
		fail(b, "no packet came");
	came = b->out[0].at;
	if (timed && came + SLACK_US < us)
		fail(b, "a packet came already at %.6f", (double)came / 1e6);
	m = b->out[0].m;
	packet_expect(b, &p, m);
	rte_pktmbuf_free(m);
	memmove(b->out, b->out + 1, --b->n_out * sizeof(b->out[0]));
}

static void verb_state(struct bed *b, const struct words *w, uint32_t at)
{
	const char *want = w->n > at + 1 ? w->word[at + 1] : "";
	const char *is = tcp_state_name(bed_state(b, b->on));

	if (strcmp(is, want) != 0)
		fail(b, "it is in %s", is);
}

/* icmp TYPE CODE SEQ [mtu N] [len N]: about a segment of ours with that number. */
static void verb_icmp(struct bed *b, const struct words *w, uint32_t at)
{
	struct {
		struct ip4_hdr ip;
		struct tcp_hdr tcp;
	} quoted;
	uint16_t mtu = 0, len = 1500;

	if (w->n < at + 4)
		fail(b, "icmp TYPE CODE SEQ [mtu N] [len N]");
	for (uint32_t i = at + 4; i + 1 < w->n; i += 2)
		*(strcmp(w->word[i], "mtu") == 0 ? &mtu : &len) =
			(uint16_t)number(b, w->word[i + 1]);
	ip4_hdr_build(&quoted.ip, &(struct ip4_fields){.total_len = len,
					  .frag = IP4_DF,
					  .ttl = 60,
					  .proto = IP4_PROTO_TCP,
					  .src = OURS,
					  .dst = PEERS});
	tcp_hdr_build(&quoted.tcp, &(struct tcp_fields){.sport = b->on->local_port,
					   .dport = b->on->port,
					   .seq = number(b, w->word[at + 3]) + b->on->our_offset});
	tcp_icmp(bed_stack(b), &quoted, IP4_HDR_LEN + 8, (uint8_t)number(b, w->word[at + 1]),
		(uint8_t)number(b, w->word[at + 2]), mtu);
	bed_pass(b);
}

/* count NAME N: a counter, or a reason to drop. */
static void verb_count(struct bed *b, const struct words *w, uint32_t at)
{
	uint64_t is = UINT64_MAX;

	if (w->n < at + 3)
		fail(b, "count NAME N");
	for (int i = 0; i < COUNT_MAX; i++)
		if (strcmp(counter_name((enum counter)i), w->word[at + 1]) == 0)
			is = b->w->count[i];
	for (int i = 0; i < DROP_MAX; i++)
		if (strcmp(drop_name((enum drop_reason)i), w->word[at + 1]) == 0)
			is = b->w->books.drop[i];
	if (is == UINT64_MAX)
		fail(b, "no counter, and no reason to drop: %s", w->word[at + 1]);
	if (is != number(b, w->word[at + 2]))
		fail(b, "it is %lu", is);
}

static void verb_info(struct bed *b, const struct words *w, uint32_t at)
{
	struct tcp_info info;
	uint32_t is;

	if (w->n < at + 3 || b->on->conn == NULL)
		fail(b, "info FIELD VALUE, of a connection that the application has");
	tcp_info(b->t, b->on->conn, &info);
	if (strcmp(w->word[at + 1], "mss") == 0)
		is = info.mss;
	else if (strcmp(w->word[at + 1], "cwnd") == 0)
		is = info.cwnd;
	else if (strcmp(w->word[at + 1], "ssthresh") == 0)
		is = info.ssthresh;
	else if (strcmp(w->word[at + 1], "unread") == 0)
		is = info.unread;
	else if (strcmp(w->word[at + 1], "unsent") == 0)
		is = info.unsent;
	else if (strcmp(w->word[at + 1], "unacked") == 0)
		is = info.unacked;
	else if (strcmp(w->word[at + 1], "send_window") == 0)
		is = info.send_window;
	else if (strcmp(w->word[at + 1], "rto") == 0)
		is = info.rto_us;
	else if (strcmp(w->word[at + 1], "ecn") == 0)
		is = info.ecn;
	else
		fail(b, "no field: %s", w->word[at + 1]);
	if (is != number(b, w->word[at + 2]))
		fail(b, "it is %u", is);
}

/* let NAME VALUE [NAME VALUE...] */
static void verb_let(struct bed *b, const struct words *w, uint32_t at)
{
	for (at++; at + 1 < w->n; at += 2) {
		struct var *v = NULL;

		for (uint32_t i = 0; i < b->n_vars; i++)
			if (strcmp(b->var[i].name, w->word[at]) == 0)
				v = &b->var[i];
		if (v == NULL && b->n_vars < VARS_MAX)
			v = &b->var[b->n_vars++];
		if (v == NULL)
			fail(b, "more than %d names", VARS_MAX);
		v->value = number(b, w->word[at + 1]);
		snprintf(v->name, sizeof(v->name), "%s", w->word[at]);
	}
}

static void verb_when(struct bed *b, const struct words *w, uint32_t at)
{
	static const char *const names[] = {"accept", "connect", "data", "sent", "close"};
	size_t n = 0;

	for (size_t i = 0; i < RTE_DIM(names) && w->n > at + 1; i++) {
		if (strcmp(names[i], w->word[at + 1]) != 0)
			continue;
		b->when[i][0] = 0;
		for (uint32_t j = at + 2; j < w->n; j++)
			n += (size_t)snprintf(
				b->when[i] + n, sizeof(b->when[i]) - n, "%s ", w->word[j]);
		return;
	}
	fail(b, "when accept|connect|data|sent|close CALL");
}

static void run_line(struct bed *b, char *line);

static __attribute__((format(printf, 2, 3))) void run_words(struct bed *b, const char *format, ...)
{
	char line[256];
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	run_line(b, line);
}

/*
 * established WORDS, connected WORDS: a handshake, theirs and ours, in which the peer's SYN is 1000
 * and has these options, and ours is 8000; its ACK takes 10 ms. With "ts V 0" our clock is 5000.
 */
static void verb_opened(struct bed *b, const struct words *w, uint32_t at, bool active)
{
	char syn[160] = "";
	const char *stamp = NULL;
	size_t n = 0;

	for (uint32_t i = at + 1; i < w->n; i++) {
		bool echo = stamp != NULL && w->word[i - 1] == stamp && active;

		if (strcmp(w->word[i - 1], "ts") == 0)
			stamp = w->word[i];
		n += (size_t)snprintf(syn + n, sizeof(syn) - n, "%s ", echo ? "5000" : w->word[i]);
	}
	if (active) {
		run_words(b, "call connect");
		run_words(b, "> S 8000 %s", stamp != NULL ? "ts 5000 0" : "");
		run_words(b, "+10ms < SA 1000 ack 8001 %s", syn);
		run_words(b, "> A 8001 ack 1001");
		run_words(b, "event connect");
		return;
	}
	if (b->listener < 0)
		run_words(b, "call listen");
	run_words(b, "< S 1000 %s", syn);
	if (stamp == NULL) {
		run_words(b, "> SA 8000 ack 1001");
		run_words(b, "+10ms < A 1001 ack 8001");
	} else {
		run_words(b, "> SA 8000 ack 1001 ts 5000 %s", stamp);
		run_words(b, "+10ms < A 1001 ack 8001 ts %s+10 5000", stamp);
	}
	run_words(b, "event accept");
}

/* Those that look at what is, and bring nothing. */
static bool looks(struct bed *b, const struct words *w, uint32_t at)
{
	const char *verb = w->word[at];

	if (strcmp(verb, "event") == 0)
		expect_event(b, w, at + 1);
	else if (strcmp(verb, "state") == 0)
		verb_state(b, w, at);
	else if (strcmp(verb, "info") == 0)
		verb_info(b, w, at);
	else if (strcmp(verb, "count") == 0)
		verb_count(b, w, at);
	else if (strcmp(verb, "let") == 0)
		verb_let(b, w, at);
	else if (strcmp(verb, "when") == 0)
		verb_when(b, w, at);
	else if (strcmp(verb, "on") == 0 && w->n > at + 1)
		b->on = bed_peer(b, (uint16_t)number(b, w->word[at + 1]));
	else if (strcmp(verb, "anew") == 0)
		b->on->our_known = b->on->their_known = false, b->on->to_send = 0;
	else if (strcmp(verb, "set") == 0 && w->n > at + 2)
		setting(b, w->word[at + 1], w->word[at + 2]);
	else
		return false;
	return true;
}

static void acts(struct bed *b, const struct words *w, uint32_t at)
{
	const char *verb = w->word[at];

	if (verb[0] != '<' || b->n_in == 0)
		no_packet_waits(b);
	no_event_waits(b);
	if (verb[0] == '<') {
		verb_in(b, w, at);
	} else if (strcmp(verb, "call") == 0 || strcmp(verb, "call+") == 0) {
		call(b, w, at + 1);
		if (verb[4] == 0)
			bed_pass(b);
	} else if (strcmp(verb, "icmp") == 0) {
		verb_icmp(b, w, at);
	} else if (strcmp(verb, "nothing") != 0) {
		fail(b, "what is '%s'?", verb);
	}
}

static void run_line(struct bed *b, char *line)
{
	struct words w;
	uint64_t us = 0;
	bool timed;
	uint32_t at;

	split_words(line, &w);
	if (w.n == 0)
		return;
	timed = read_time(b, w.word[0], &us);
	at = timed;
	if (at == w.n)
		fail(b, "a time, and nothing to do then");
	if (strcmp(w.word[at], ">") == 0) {
		verb_out(b, &w, at, timed, us);
		return;
	}
	if (timed) {
		if (us < now(b))
			fail(b, "it is %.6f already", (double)now(b) / 1e6);
		no_packet_waits(b);
		bed_run_to(b, us);
	}
	if (strcmp(w.word[at], "established") == 0 || strcmp(w.word[at], "connected") == 0)
		verb_opened(b, &w, at, w.word[at][0] == 'c');
	else if (!looks(b, &w, at))
		acts(b, &w, at);
}

/* --- a case --- */

/* What is set before the stack is made must be known: which port its first connection has. */
static void foresee(struct bed *b, const char *text)
{
	const char *calls = strstr(text, "call connect"), *word = strstr(text, "connected");
	const char *first = calls == NULL || (word != NULL && word < calls) ? word : calls;
	const char *others[] = {
		strstr(text, "<"), strstr(text, "call listen"), strstr(text, "established")};

	for (size_t i = 0; i < RTE_DIM(others); i++)
		if (others[i] != NULL && others[i] < first)
			return;
	if (first != NULL)
		b->on->local_port = FROM_PORT;
}

static void run_lines(struct bed *b, const char *text, int line)
{
	char one[512];

	for (b->line = line; *text != 0;) {
		size_t len = strcspn(text, ";#\n");

		if (text[len] == '#') /* to the end of the line, whatever there is */
			len = strcspn(text, "\n");
		if (len >= sizeof(one))
			fail(b, "too long a line");
		memcpy(one, text, len);
		one[len] = 0;
		run_line(b, one);
		b->line += text[len] == '\n';
		text += len + (text[len] != 0);
	}
	no_packet_waits(b);
	no_event_waits(b);
	bed_end(b);
}

#define SOON 15000 /* us: what a case does when its handshake is done */

/*
 * When the microseconds of 32 bits and the ticks of the wheel begin anew, and the milliseconds; and
 * with the SYNs, or data soon after them, at the edges of the number space and of its halves. In
 * two of them the stack may write one packet at a time.
 */
static const struct numbering numberings[] = {
	{0, 0, (UINT64_C(1) << 38) - SOON, 64},
	{0, 0, (UINT64_C(1000) << 32) - SOON, 64},
	{UINT32_MAX, UINT32_MAX, 0, 64},
	{INT32_MAX, INT32_MAX, 0, 1},
	{UINT32_MAX - 600, UINT32_MAX - 30, 0, 1},
	{UINT32_C(0x7ffffda7), UINT32_C(0x80000000) - 1030, 0, 64},
};

bool script_run(const char *file, int line, const char *text, const char *end)
{
	static struct bed b;
	char *copy = strndup(text, (size_t)(end - text));
	volatile size_t i;

	b.file = file;
	for (i = 0; i < RTE_DIM(numberings); i++) {
		if (setjmp(b.failed) != 0)
			break;
		bed_begin(&b, &numberings[i]);
		foresee(&b, copy);
		run_lines(&b, copy, line);
	}
	free(copy);
	if (i == RTE_DIM(numberings))
		return true;
	fprintf(stderr, "\twith the numbers of run %zu (ours from %u, the peer's from %u)\n", i + 1,
		numberings[i].ours, numberings[i].theirs);
	bed_break(&b);
	return false;
}
