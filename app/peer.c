/* SPDX-License-Identifier: BSD-3-Clause */
/* Counts are since the start, whoever was the peer. */
#include "peer.h"

#include "app.h"
#include "json.h"
#include "lb/lb.h"
#include "net/counter.h"
#include "net/drop.h"
#include "net/worker.h"

#include <inttypes.h>

static void add_counters(json_t *row, const struct net *net)
{
	static const enum counter some[] = {COUNT_hellos_said, COUNT_hellos_heard, COUNT_sync_sent,
		COUNT_sync_read, COUNT_flows_told, COUNT_flows_untold, COUNT_flows_taken,
		COUNT_flows_ended, COUNT_flows_kept, COUNT_flows_unknown, COUNT_flows_homeless,
		COUNT_flows_no_room};

	for (size_t k = 0; k < sizeof(some) / sizeof(some[0]); k++) {
		uint64_t sum = 0;

		for (uint16_t i = 0; i < net->n_workers; i++)
			sum += net->worker[i]->count[some[k]];
		json_object_set_new(row, counter_name(some[k]), json_count(sum));
	}
}

/* Datagrams that were dropped unread. */
static json_t *refused(const struct net *net)
{
	static const enum drop_reason some[] = {
		DROP_SYNC_PEER, DROP_SYNC_BAD, DROP_SYNC_KEY, DROP_SYNC_OLD};
	json_t *row = json_object();

	for (size_t k = 0; k < sizeof(some) / sizeof(some[0]); k++) {
		uint64_t sum = 0;

		for (uint16_t i = 0; i < net->n_workers; i++)
			sum += net->worker[i]->books.drop[some[k]];
		json_object_set_new(row, drop_name(some[k]), json_count(sum));
	}
	return row;
}

json_t *peer_show(struct app *app, struct call *call)
{
	struct lb_peer p;
	json_t *row;

	(void)call;
	if (!lb_peer(app->net, &p))
		return json_pack("{s:s}", "state", "off");
	row = json_pack("{s:s, s:o, s:b, s:o, s:o, s:i, s:i, s:o}", "state", p.up ? "up" : "down",
		"since_s",
		p.since != 0 ? json_count((clock_now() - p.since) / clock_of_ms(1000))
			     : json_null(),
		"listens", p.listens, "address", json_address(p.conf->addr), "peer",
		json_address(p.conf->peer), "port", p.conf->port, "rate", (int)p.conf->rate,
		"session", p.up ? json_sprintf("%016" PRIx64, p.session) : json_null());
	add_counters(row, app->net);
	json_object_set_new(row, "pending", json_count(p.pending));
	json_object_set_new(row, "unwalked", json_count(p.unwalked));
	json_object_set_new(row, "refused", refused(app->net));
	return row;
}
