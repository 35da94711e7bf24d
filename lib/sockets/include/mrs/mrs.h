/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * mrs: the POSIX socket calls, on millrace's own TCP and UDP over IPv4.
 *
 * Each call does what its namesake without mrs_ does on Linux, takes the same arguments and
 * constants of the system's headers, and fails with -1 and errno; sockets are numbers of their own,
 * not the kernel's descriptors. Any thread may call anything at any time: a call that waits keeps
 * no other from returning. The program connects to millrace by its first mrs_socket().
 *
 * Beyond the namesakes' errors: ENETDOWN, the service is not there, or has gone and the sockets
 * with it; ENOBUFS, too many calls wait; EALREADY, another thread's bind, listen or connect on the
 * same socket is under way. What differs from Linux:
 * - fork(): the child has no sockets (ENETDOWN). The parent keeps them.
 * - Signals do not interrupt a call (no EINTR).
 * - mrs_poll() knows these sockets only.
 * - SO_SNDBUF and SO_RCVBUF are bytes of data, neither doubled nor bounded by sysctls; a UDP
 *   socket's are taken when it gets its port.
 * - TCP_MAXSEG and TCP_CONGESTION are set before connecting or listening.
 * - UDP: no broadcast, no multicast; no route is an error of the next call on the socket.
 * When a program ends, however, its sockets are aborted: close them (and shutdown, if the peer
 * should get all of it) first.
 *
 * Needs libc and threads alone; what goes over the wire to millrace is service/sockets.h.
 */
#ifndef MRS_MRS_H
#define MRS_MRS_H

#include <poll.h>
#include <sys/socket.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Where millrace is looked for unless MILLRACE_SOCKETS (environment) or mrs_open() say otherwise.
 */
#define MRS_PATH "/run/millrace/sockets"

#pragma GCC visibility push(default)

/* Connects to the service at a path; NULL: as said above. 0, also if it is connected already. */
int mrs_open(const char *path);

/* AF_INET; SOCK_STREAM or SOCK_DGRAM, with SOCK_NONBLOCK and SOCK_CLOEXEC (which is the case). */
int mrs_socket(int domain, int type, int protocol);
int mrs_bind(int socket, const struct sockaddr *name, socklen_t length);
int mrs_listen(int socket, int backlog);
int mrs_accept(int socket, struct sockaddr *name, socklen_t *length);
int mrs_accept4(int socket, struct sockaddr *name, socklen_t *length, int flags);
int mrs_connect(int socket, const struct sockaddr *name, socklen_t length);
int mrs_shutdown(int socket, int how);
int mrs_close(int socket);
int mrs_getsockname(int socket, struct sockaddr *name, socklen_t *length);
int mrs_getpeername(int socket, struct sockaddr *name, socklen_t *length);

/* MSG_DONTWAIT, MSG_NOSIGNAL, MSG_OOB, MSG_PEEK, MSG_WAITALL, MSG_TRUNC (UDP), MSG_MORE. */
ssize_t mrs_read(int socket, void *data, size_t size);
ssize_t mrs_write(int socket, const void *data, size_t size);
ssize_t mrs_recv(int socket, void *data, size_t size, int flags);
ssize_t mrs_send(int socket, const void *data, size_t size, int flags);
ssize_t mrs_recvfrom(
	int socket, void *data, size_t size, int flags, struct sockaddr *name, socklen_t *length);
ssize_t mrs_sendto(int socket, const void *data, size_t size, int flags,
	const struct sockaddr *name, socklen_t length);

/*
 * SOL_SOCKET: SO_ERROR, SO_TYPE, SO_ACCEPTCONN, SO_REUSEADDR, SO_LINGER, SO_SNDBUF, SO_RCVBUF,
 * SO_OOBINLINE, SO_KEEPALIVE, SO_RCVTIMEO, SO_SNDTIMEO. IPPROTO_TCP: TCP_NODELAY, TCP_CORK,
 * TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT, TCP_USER_TIMEOUT, TCP_MAXSEG, TCP_CONGESTION,
 * TCP_INFO. IPPROTO_IP: IP_TTL, IP_TOS.
 */
int mrs_getsockopt(int socket, int level, int name, void *value, socklen_t *length);
int mrs_setsockopt(int socket, int level, int name, const void *value, socklen_t length);

/* F_GETFL, F_SETFL with O_NONBLOCK */
int mrs_fcntl(int socket, int command, int value);
/* FIONREAD, SIOCATMARK, SIOCOUTQ, FIONBIO */
int mrs_ioctl(int socket, unsigned long request, int *value);
/* POLLIN, POLLOUT, POLLPRI, POLLRDHUP; at most 4,096 sockets */
int mrs_poll(struct pollfd *fds, nfds_t n, int timeout_ms);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
