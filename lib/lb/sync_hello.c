/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who is there: hellos said and heard by the worker of slot 0, which alone writes lb->peer and
 * lb->telling.
 */
#include "sync_inner.h"

#include "base/log.h"

#define HELLO_MS 1000
#define DEAD_MS	 5000 /* so long without a hello */

static void set_telling(struct worker *w, uint32_t telling)
{
	atomic_store_explicit(&w->net->lb->telling, telling, memory_order_relaxed);
}

static void set_peer(struct worker *w, uint64_t session)
{
	atomic_store_explicit(&w->net->lb->peer, session, memory_order_relaxed);
	if (session == 0)
		set_telling(w, 0);
}

static void say(struct worker *w, const struct lb_sync *s, struct sync_greeter *g)
{
	uint8_t p[SYNC_HEAD + SYNC_HELLO_LEN + SYNC_TAG];
	struct sync_head h = {
		.session = w->net->lb->session, .kind = SYNC_HELLO, .number = ++g->said};
	struct sync_hello hello;

	g->nonce[1] = g->nonce[0];
	g->nonce[0] = siphash(&w->net->lb->nonces, &g->said, sizeof(g->said)) | 1; /* 0 is none */
	hello = (struct sync_hello){.nonce = g->nonce[0],
		.echo = g->echo,
		.knows = atomic_load_explicit(&w->net->lb->peer, memory_order_relaxed)};
	sync_write_head(p, &h);
	sync_write_hello(p, &hello);
	sync_send(w, s, p, SYNC_HEAD + SYNC_HELLO_LEN);
	w->count[COUNT_hellos_said]++;
	g->said_at = w->now;
}

void sync_greet(struct worker *w, const struct lb_sync *s)
{
	struct sync_greeter *g = &w->lb->sync->greeter;
	bool is_alive = atomic_load_explicit(&w->net->lb->peer, memory_order_relaxed) != 0;

	if (g->peer != s->peer || memcmp(&g->key, &s->key, sizeof(g->key)) != 0) {
		set_peer(w, 0);
		is_alive = false;
		*g = (struct sync_greeter){
			.peer = s->peer, .key = s->key, .said = g->said, .rounds = g->rounds};
	}
	if (is_alive && w->now - g->heard_at >= clock_of_ms(DEAD_MS))
		set_peer(w, 0);
	if (g->said_at == 0 || w->now - g->said_at >= clock_of_ms(HELLO_MS))
		say(w, s, g);
}

/* Whether the other side has heard a hello of ours just now, and is none of the past. */
static bool is_of_now(const struct sync_greeter *g, const struct sync_hello *hello)
{
	return hello->echo != 0 && (hello->echo == g->nonce[0] || hello->echo == g->nonce[1]);
}

enum drop_reason sync_hear(
	struct worker *w, const struct sync_head *h, const struct sync_hello *hello)
{
	struct sync_greeter *g = &w->lb->sync->greeter;
	struct lb *lb = w->net->lb;

	if (h->session == lb->session || (h->session == g->known && h->number <= g->number))
		return DROP_SYNC_OLD;
	w->count[COUNT_hellos_heard]++;
	g->echo = hello->nonce;
	if (h->session != g->known && !is_of_now(g, hello))
		return DROP_MAX; /* it may have begun just now: our next hello asks it */
	if (h->session != g->known)
		set_telling(w, 0);
	g->known = h->session;
	g->number = h->number;
	g->heard_at = w->now;
	set_peer(w, h->session);
	if (hello->knows != lb->session)
		set_telling(w, 0);
	else if (atomic_load_explicit(&lb->telling, memory_order_relaxed) == 0)
		set_telling(w, g->rounds = g->rounds == UINT32_MAX ? 1 : g->rounds + 1);
	return DROP_MAX;
}
