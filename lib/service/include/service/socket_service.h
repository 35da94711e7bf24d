/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * socket_service: millrace's TCP and UDP for local programs; what they say is service/sockets.h.
 *
 * One thread, neither a worker nor control, serves all programs: it has their streams, the sockets'
 * state and what was received and not read. Connections live on the workers. Between the thread
 * and each worker are three rings with one writer and one reader each: what is asked, what is
 * told, and empty buffers for what programs send; so that the thread touches no mempool. A full
 * ring loses nothing: the thread keeps what it has to ask and reads no more requests, the worker
 * keeps in each connection what there is to tell. Only datagrams are dropped, by name.
 */
#ifndef SERVICE_SOCKET_SERVICE_H
#define SERVICE_SOCKET_SERVICE_H

#include "net/stage.h"

#include <stdint.h>

struct net;
struct socket_service;

/* Fixed at start. */
struct sockets_conf {
	char path[108];	       /* "": no such service */
	char group[32];	       /* whose members may connect; "": the owner (root) alone */
	uint32_t clients;      /* connections of programs */
	uint32_t sockets;      /* of one program, those to be accepted among them */
	uint32_t calls;	       /* of one program that wait */
	uint32_t buffer_bytes; /* SO_SNDBUF and SO_RCVBUF of a new socket */
};

/*
 * Listens at the path (a socket that nobody listens on is replaced) and gives every worker its
 * end. Nothing without a path. 0, or -errno and logged. Control, after service_attach() and before
 * the workers run.
 */
int socket_service_open(
	struct socket_service **s, struct net *net, const struct sockets_conf *conf);
/* Begins to serve, on a thread with the caller's CPU. The workers run. 0 or -errno, logged. */
int socket_service_start(struct socket_service *s);
/* Programs are sent away, their connections reset; the workers still run. NULL is allowed. */
void socket_service_stop(struct socket_service *s);
/* The workers have ended, their stacks are still there. NULL is allowed. */
void socket_service_close(struct socket_service *s);

/* --- worker: stages of a pipeline; w->sockets is not NULL --- */

source_fn stage_sockets; /* what the thread asked: TCP's calls; datagrams -> out */
stage_fn stage_datagram; /* datagram: UDP of no service, ICMP errors about UDP -> consumed |
			    error | punt | drop */
/* Tells the thread what this pass has brought. */
void sockets_tell(struct worker *w);

#endif
