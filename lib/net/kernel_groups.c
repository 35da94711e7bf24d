/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The groups that the kernel's interfaces have joined. Netlink does not tell of them: they are read
 * from a file, now and then, and at once when a report of IGMP or MLD went out (punt_joins()).
 */
#include "kernel_table.h"

#include "net/net.h"
#include "net/punt.h"
#include "netns.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PERIOD_MS 1000
#define FILE_MAX  (256u << 10) /* bytes that are read of it */

struct kgroups {
	int fd; /* of the namespace, -1: closed */
	uint32_t joins;
	ticks due;
	char text[FILE_MAX];
};

int kernel_groups_open(struct kernel *k, const char *netns)
{
	bool elsewhere = netns[0] != '\0';
	int home = elsewhere ? netns_enter(netns) : -1;
	int rc = 0;

	if (elsewhere && home < 0)
		return home;
	k->groups = calloc(1, sizeof(*k->groups));
	if (k->groups != NULL)
		k->groups->fd = open("/proc/thread-self/net/dev_mcast", O_RDONLY | O_CLOEXEC);
	if (k->groups == NULL)
		rc = -ENOMEM;
	else if (k->groups->fd < 0)
		rc = -errno;
	if (elsewhere)
		netns_return(home);
	if (rc < 0)
		kernel_groups_close(k);
	return rc;
}

void kernel_groups_close(struct kernel *k)
{
	if (k->groups != NULL && k->groups->fd >= 0)
		close(k->groups->fd);
	free(k->groups);
	k->groups = NULL;
}

/* The file as a text; false: not today. */
static bool read_all(struct kgroups *g)
{
	size_t n = 0;
	ssize_t more;

	if (lseek(g->fd, 0, SEEK_SET) < 0)
		return false;
	do {
		more = read(g->fd, g->text + n, sizeof(g->text) - 1 - n);
		n += more > 0 ? (size_t)more : 0;
	} while (more > 0 && n < sizeof(g->text) - 1);
	g->text[n] = '\0';
	return more >= 0;
}

static bool read_mac(const char *hex, uint8_t mac[6])
{
	unsigned int x[6];
	int end = 0;

	if (sscanf(hex, "%2x%2x%2x%2x%2x%2x%n", &x[0], &x[1], &x[2], &x[3], &x[4], &x[5], &end) !=
			6 ||
		end != 12)
		return false;
	for (int i = 0; i < 6; i++)
		mac[i] = (uint8_t)x[i];
	return true;
}

/* Of the port's interface, and of its VLANs', which have the kernel's filter too. */
static bool is_of(const struct net *net, const struct port *p, const char *name)
{
	const struct kernel *k = net->kernel;

	for (uint32_t i = 0; i < k->n_links; i++)
		if (k->link[i]->slot == p->slot && strcmp(k->link[i]->name, name) == 0)
			return true;
	return false;
}

/* Lines of "index name users global_users address"; one group of several interfaces counts once. */
static uint32_t groups_of(
	const struct net *net, const struct port *p, const char *text, uint8_t (*macs)[6])
{
	uint32_t n = 0, i;

	for (const char *line = text; line != NULL && *line != '\0' && n < PUNT_GROUPS + 1;) {
		char name[RTNL_NAME], hex[65];

		if (sscanf(line, "%*d %15s %*d %*d %64s", name, hex) == 2 && is_of(net, p, name) &&
			read_mac(hex, macs[n])) {
			for (i = 0; i < n && memcmp(macs[i], macs[n], 6) != 0; i++)
				;
			n += i == n;
		}
		line = strchr(line, '\n');
		line = line == NULL ? NULL : line + 1;
	}
	return n;
}

void kernel_groups_work(struct net *net, ticks now)
{
	struct kgroups *g = net->kernel->groups;
	uint8_t macs[PUNT_GROUPS + 1][6];
	uint32_t joins = punt_joins(net);

	if (g == NULL || (now < g->due && joins == g->joins))
		return;
	g->due = now + clock_of_ms(PERIOD_MS);
	g->joins = joins;
	if (!read_all(g))
		return;
	for (int i = 0; i < PORT_MAX; i++) {
		struct port *p = net->port[i];

		if (p != NULL && p->conf.kernel[0] != '\0')
			punt_groups(net, p, (const uint8_t(*)[6])macs,
				groups_of(net, p, g->text, macs));
	}
}
