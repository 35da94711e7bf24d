/* SPDX-License-Identifier: BSD-3-Clause */
/* sockets_listen: apart from net/, which has a struct group of its own. For lib/service alone. */
#ifndef SERVICE_SOCKETS_LISTEN_H
#define SERVICE_SOCKETS_LISTEN_H

/* A listening socket at path, for the owner and, unless it is "", the group; or -errno. Control. */
int sockets_listen(const char *path, const char *group);

#endif
