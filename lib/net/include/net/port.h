/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * port: an ethdev and the interfaces on it.
 *
 * Control creates, configures and starts the device (a TAP inside its namespace), gives its queues
 * to workers and takes them back. Offloads are asked for only where the device has them; the table
 * that port_offloads() fills says which work is the device's and which is ours.
 */
#ifndef NET_PORT_H
#define NET_PORT_H

#include "base/err.h"
#include "net/iface.h"
#include "net/worker.h"

#include <stdbool.h>
#include <stdint.h>

struct net;
struct punt_groups;

#define PORT_MEMBERS 8
#define KERNEL_NAME  16 /* IFNAMSIZ: of an interface of the kernel, with the NUL */

enum port_device { PORT_TAP, PORT_PCI, PORT_VDEV };
enum port_urpf { URPF_OFF, URPF_LOOSE, URPF_STRICT };

struct addr_conf {
	struct conf_pos at;
	uint32_t addr; /* host order */
	uint8_t depth;
};

/* What a port and a VLAN of it have in common. */
struct iface_conf {
	struct conf_pos at;
	char name[IFACE_NAME];
	uint16_t vlan;	/* 0 = the port itself */
	uint8_t mac[6]; /* zero: the device's, or the port's */
	uint16_t mtu;	/* 0: 1500, or the port's */
	uint32_t n_addrs;
	struct addr_conf addrs[IFACE_ADDRS];
	enum port_urpf urpf;
	bool proxy_arp;
	bool directed_broadcast;
	bool redirects;
	uint16_t mss; /* 0 = off; 1 = what the MTU allows; else the value */
};

struct port_conf {
	struct iface_conf iface;
	enum port_device kind;
	char device[128];     /* PORT_PCI: address; PORT_VDEV: "name,args" */
	uint32_t n_members;   /* of a bond: PCI addresses or "name,args", made before it */
	char (*members)[128]; /* the configuration's memory */
	char tap_netns[64];
	char tap_iface[KERNEL_NAME];
	char kernel[KERNEL_NAME]; /* its punt interface; "": none */
	uint16_t queues;	  /* 0 = as many as workers and device allow */
	uint16_t rx_descriptors;
	uint16_t tx_descriptors;
	bool promiscuous;
	bool required; /* the others do not start without it */
	uint32_t n_vlans;
	struct iface_conf *vlans; /* the configuration's memory */
};

struct ports_conf {
	uint32_t n;
	struct port_conf *list; /* the configuration's memory; copied by build */
	uint32_t n_loopback;
	struct addr_conf *loopback; /* addresses of the appliance itself */
	char kernel_netns[64];	    /* where punt interfaces are; "": millrace's own */
};

/* How often a link changed. */
struct port_link {
	uint32_t changes; /* since the port was opened */
	uint32_t row;	  /* of them in a row, without some calm between them */
	ticks changed;	  /* the last one */
};

struct port {
	char name[IFACE_NAME];
	char devname[64];
	uint16_t slot;		      /* index in net->port and of the workers' tx lanes */
	uint16_t device;	      /* ethdev port id */
	uint16_t iface;		      /* its untagged interface */
	uint8_t mac[6];		      /* the device's, or made up where it has none */
	uint16_t mtu_least, mtu_most; /* what the device takes with the buffers that there are */
	uint16_t n_rxq, n_txq;
	uint16_t *vlan_iface; /* [4096] interface of a VLAN id, 0 = none; NULL without VLANs;
				 workers: r */
	uint32_t punt;	      /* id of its punt interface, 0 = none; control: w, workers: r */
	struct punt_groups *_Atomic groups; /* control: w, workers: r; NULL = none */
	uint64_t rx_offloads, tx_offloads;  /* in force */
	uint16_t tso_segs;		    /* buffers that a packet to be cut may have */
	uint64_t rss_hf;		    /* 0 = no RSS */
	bool rss_trusted; /* its RSS and RETA agree with net->owner: steer may skip it; workers: r
			   */
	bool rx_interrupts;
	bool emulates; /* its driver does offloads in software */
	bool chains;   /* sends mbuf chains; else they are copied into one buffer */
	bool lends;    /* hands out its peer's very buffers, and not its own pool's: they may be
			  shared */
	bool any_mtu;  /* its driver needs not be told of one */
	bool link;
	struct port_link link_log;
	bool *ending;	/* the port table's, of the slot: true from its retirement to its end */
	uint16_t first; /* worker of queue 0; queue i is the worker's first + i */
	int node;
	char member_names[PORT_MEMBERS][64]; /* of a bond */
	struct port_conf conf;		     /* as applied; its lists copied */
};

int port_check(const struct ports_conf *c, struct errs *e);
/*
 * Creates and starts what is new; nothing is polled and no address lives yet. What cannot be opened
 * may be left out (net/absent.h). 0, or -errno with the sentences in e, and then nothing is left of
 * it.
 */
int port_build(struct net *net, const struct ports_conf *c, struct errs *e);
/* Undoes a build that will not be published. */
void port_abandon(struct net *net);
/*
 * Queues to workers, interfaces and addresses to the tables; what the new configuration no longer
 * has is taken from the workers, and closed once none of them can hold it.
 */
void port_publish(struct net *net, ticks now);

/* Stops and closes all; the workers are gone. */
void port_close_all(struct net *net);

struct port *port_by_name(struct net *net, const char *name);
/* Index of an interface by name ("lan", "lan.10"), 0 if there is none. */
uint16_t iface_by_name(const struct net *net, const char *name);
/* What an interface has received since it came to be, all workers. Control. */
struct pair_count iface_received(const struct net *net, uint16_t index);

/* One row of the start-up table: a piece of work and who does it. */
struct port_work {
	const char *what; /* "rx IPv4 checksum" */
	const char *who;  /* "device", "software", "device (emulated by the driver)" */
};
#define PORT_WORKS 10
uint32_t port_offloads(const struct port *p, struct port_work works[PORT_WORKS]);

#endif
