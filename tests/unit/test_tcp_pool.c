/* SPDX-License-Identifier: BSD-3-Clause */
/* What units of tcp take their mbufs from: rte_pktmbuf_* on heap_pool.h, with no EAL at all. */
#include "heap_pool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#define MBUFS 60
#define ROOM  (RTE_PKTMBUF_HEADROOM + 256)

static struct rte_mempool *pool;

static int make(void **state)
{
	(void)state;
	pool = heap_pool_new(MBUFS, ROOM);
	return 0;
}

static int unmake(void **state)
{
	int leaked = (int)rte_mempool_in_use_count(pool);

	(void)state;
	heap_pool_free(pool);
	return leaked;
}

static void one_mbuf_with_all_its_room(void **state)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);

	(void)state;
	assert_non_null(m);
	assert_int_equal(rte_mempool_in_use_count(pool), 1);
	assert_int_equal(rte_pktmbuf_headroom(m), RTE_PKTMBUF_HEADROOM);
	assert_int_equal(rte_pktmbuf_tailroom(m), ROOM - RTE_PKTMBUF_HEADROOM);
	memset(rte_pktmbuf_append(m, 256), 1, 256);
	assert_null(rte_pktmbuf_append(m, 1));
	memset(rte_pktmbuf_prepend(m, RTE_PKTMBUF_HEADROOM), 2, RTE_PKTMBUF_HEADROOM);
	assert_null(rte_pktmbuf_prepend(m, 1));
	assert_int_equal(rte_pktmbuf_pkt_len(m), ROOM);
	assert_int_equal(*(char *)rte_pktmbuf_adj(m, RTE_PKTMBUF_HEADROOM), 1);
	assert_int_equal(rte_pktmbuf_trim(m, 255), 0);
	assert_int_equal(rte_pktmbuf_pkt_len(m), 1);
	rte_mbuf_sanity_check(m, 1);
	rte_pktmbuf_free(m);
	assert_int_equal(rte_mempool_in_use_count(pool), 0);
}

static void taken_until_none_is_left(void **state)
{
	struct rte_mbuf *m[MBUFS], *more[2];

	(void)state;
	for (int round = 0; round < 3; round++) {
		assert_int_equal(rte_pktmbuf_alloc_bulk(pool, m, MBUFS - 1), 0);
		assert_int_equal(rte_pktmbuf_alloc_bulk(pool, more, 2), -ENOBUFS);
		m[MBUFS - 1] = rte_pktmbuf_alloc(pool);
		assert_non_null(m[MBUFS - 1]);
		assert_null(rte_pktmbuf_alloc(pool));
		assert_int_equal(rte_mempool_in_use_count(pool), MBUFS);
		assert_int_equal(rte_mempool_avail_count(pool), 0);
		rte_pktmbuf_free_bulk(m, MBUFS);
		assert_int_equal(rte_mempool_avail_count(pool), MBUFS);
	}
}

static void a_chain_goes_as_one(void **state)
{
	struct rte_mbuf *m[3];

	(void)state;
	assert_int_equal(rte_pktmbuf_alloc_bulk(pool, m, 3), 0);
	for (int i = 0; i < 3; i++)
		memset(rte_pktmbuf_append(m[i], 100), i, 100);
	assert_int_equal(rte_pktmbuf_chain(m[1], m[2]), 0);
	assert_int_equal(rte_pktmbuf_chain(m[0], m[1]), 0);
	assert_int_equal(m[0]->nb_segs, 3);
	assert_int_equal(rte_pktmbuf_pkt_len(m[0]), 300);
	assert_int_equal(*rte_pktmbuf_mtod(rte_pktmbuf_lastseg(m[0]), char *), 2);
	rte_pktmbuf_free(m[0]);
	assert_int_equal(rte_mempool_in_use_count(pool), 0);
}

/* As output does it: a header of its own before a payload that stays for retransmission. */
static void an_indirect_payload_holds_its_buffer(void **state)
{
	struct rte_mbuf *payload = rte_pktmbuf_alloc(pool), *part, *header;

	(void)state;
	memcpy(rte_pktmbuf_append(payload, 10), "0123456789", 10);
	for (int round = 0; round < 2; round++) {
		header = rte_pktmbuf_alloc(pool);
		part = rte_pktmbuf_alloc(pool);
		rte_pktmbuf_append(header, 54);
		rte_pktmbuf_attach(part, payload);
		assert_non_null(rte_pktmbuf_adj(part, 4));
		assert_int_equal(rte_pktmbuf_chain(header, part), 0);
		assert_int_equal(rte_mbuf_refcnt_read(payload), 2);
		assert_memory_equal(rte_pktmbuf_mtod(part, char *), "456789", 6);
		assert_false(RTE_MBUF_DIRECT(part));
		if (round == 1) { /* acknowledged while it is still on its way */
			rte_pktmbuf_free(payload);
			assert_int_equal(rte_mempool_in_use_count(pool), 3);
			assert_memory_equal(rte_pktmbuf_mtod(part, char *), "456789", 6);
		}
		rte_pktmbuf_free(header);
		assert_int_equal(rte_mempool_in_use_count(pool), round == 0 ? 1 : 0);
	}
	/* what was indirect has its own buffer again */
	for (int i = 0; i < MBUFS; i++) {
		part = rte_pktmbuf_alloc(pool);
		assert_true(RTE_MBUF_DIRECT(part));
		assert_ptr_equal(part->buf_addr, part + 1);
		assert_int_equal(part->buf_len, ROOM);
		rte_pktmbuf_free(part);
	}
}

static void a_reference_more_is_a_free_more(void **state)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);

	(void)state;
	rte_mbuf_refcnt_update(m, 1);
	rte_pktmbuf_free(m);
	assert_int_equal(rte_mempool_in_use_count(pool), 1);
	rte_pktmbuf_free(m);
	assert_int_equal(rte_mempool_in_use_count(pool), 0);
}

static void two_pools_beside_each_other(void **state)
{
	struct rte_mempool *small = heap_pool_new(1, RTE_PKTMBUF_HEADROOM);
	struct rte_mbuf *m = rte_pktmbuf_alloc(small), *other = rte_pktmbuf_alloc(pool);

	(void)state;
	assert_int_equal(rte_pktmbuf_tailroom(m), 0);
	assert_null(rte_pktmbuf_alloc(small));
	assert_ptr_equal(rte_mempool_from_obj(m), small);
	rte_pktmbuf_attach(m, other);
	rte_pktmbuf_free(other);
	assert_int_equal(rte_mempool_in_use_count(pool), 1);
	rte_pktmbuf_free(m);
	assert_int_equal(rte_mempool_in_use_count(pool), 0);
	assert_int_equal(rte_mempool_in_use_count(small), 0);
	heap_pool_free(small);
}

/* How a child ended that did this to an mbuf and its pool. */
static int fate(void (*wrong)(struct rte_mbuf *m))
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
	int status;
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0) {
		signal(SIGABRT, SIG_DFL);
		signal(SIGSEGV, SIG_DFL);
		fclose(stderr);
		close(STDERR_FILENO);
		wrong(m);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	rte_pktmbuf_free(m);
	return status;
}

static void free_twice(struct rte_mbuf *m)
{
	void *mbuf = m;

	rte_mempool_put_bulk(pool, &mbuf, 1);
	rte_mempool_put_bulk(pool, &mbuf, 1);
}

static void freeing_twice_aborts(void **state)
{
	(void)state;
	assert_true(WIFSIGNALED(fate(free_twice)));
}

#ifdef HEAP_POOL_POISONS
static void write_past(struct rte_mbuf *m)
{
	((volatile char *)m->buf_addr)[m->buf_len] = 1;
}

static void use_freed(struct rte_mbuf *m)
{
	rte_pktmbuf_free(m);
	((volatile struct rte_mbuf *)m)->data_len = 1;
}

static void a_sanitizer_sees_overruns_and_stale_mbufs(void **state)
{
	(void)state;
	assert_int_not_equal(fate(write_past), 0);
	assert_int_not_equal(fate(use_freed), 0);
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_mbuf_with_all_its_room),
		cmocka_unit_test(taken_until_none_is_left),
		cmocka_unit_test(a_chain_goes_as_one),
		cmocka_unit_test(an_indirect_payload_holds_its_buffer),
		cmocka_unit_test(a_reference_more_is_a_free_more),
		cmocka_unit_test(two_pools_beside_each_other),
		cmocka_unit_test(freeing_twice_aborts),
#ifdef HEAP_POOL_POISONS
		cmocka_unit_test(a_sanitizer_sees_overruns_and_stale_mbufs),
#endif
	};

	return cmocka_run_group_tests(tests, make, unmake);
}
