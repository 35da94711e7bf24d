/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * mrnc: nc on millrace's own TCP and UDP. Standard input goes to the peer, what it sends to
 * standard output; and the example of a program that uses mrs/mrs.h.
 */
#include "mrs/mrs.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char usage[] =
	"usage: mrnc [-N] [-u] [-s ADDRESS] [-w SECONDS] HOST PORT   connects\n"
	"       mrnc [-N] [-u] [-s ADDRESS] [-w SECONDS] -l PORT     waits for one peer\n"
	"  -N  sends the end of standard input on, and ends when the peer has ended, too\n"
	"  -u  UDP: each read of standard input is a datagram\n"
	"  -w SECONDS  ends when nothing came for so long\n"
	"  -s  from, or at, this address of millrace's\n"
	"  -S PATH  millrace's system.socket_service (" MRS_PATH ")\n";

static struct {
	bool listens, udp, half_close;
	const char *service;
	struct timeval patience;
	struct sockaddr_in own, peer;
} want = {.own.sin_family = AF_INET, .peer.sin_family = AF_INET};

static void die(const char *what)
{
	fprintf(stderr, "mrnc: %s: %s\n", what, strerror(errno));
	exit(1);
}

static bool read_words(int argc, char **argv)
{
	struct sockaddr_in *at = &want.peer;
	char *end;
	long port;
	int c;

	while ((c = getopt(argc, argv, "lNuhs:S:w:")) != -1) {
		if (c == 'l')
			want.listens = true;
		else if (c == 'N')
			want.half_close = true;
		else if (c == 'u')
			want.udp = true;
		else if (c == 'S')
			want.service = optarg;
		else if (c == 'w')
			want.patience.tv_sec = atoi(optarg);
		else if (c != 's' || inet_pton(AF_INET, optarg, &want.own.sin_addr) != 1)
			return false;
	}
	if (argc - optind != (want.listens ? 1 : 2))
		return false;
	if (want.listens)
		at = &want.own;
	else if (inet_pton(AF_INET, argv[optind], &at->sin_addr) != 1)
		return false;
	port = strtol(argv[argc - 1], &end, 10);
	at->sin_port = htons((uint16_t)port);
	return port >= 1 && port <= 65535 && *end == '\0';
}

/* The first datagram's sender is the peer; it stays in the queue. */
static void await_peer(int s)
{
	socklen_t length = sizeof(want.peer);

	if (mrs_recvfrom(s, &length, 0, MSG_PEEK, (struct sockaddr *)&want.peer, &length) < 0)
		die("receive");
}

static int accept_one(int s)
{
	int peer;

	if (mrs_listen(s, 1) < 0)
		die("listen");
	peer = mrs_accept(s, NULL, NULL);
	if (peer < 0)
		die("accept");
	mrs_close(s);
	return peer;
}

static int open_socket(void)
{
	const int on = 1;
	int s;

	if (mrs_open(want.service) < 0)
		die("the socket service");
	s = mrs_socket(AF_INET, want.udp ? SOCK_DGRAM : SOCK_STREAM, 0);
	if (s < 0)
		die("socket");
	mrs_setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if ((want.own.sin_addr.s_addr != 0 || want.own.sin_port != 0) &&
		mrs_bind(s, (struct sockaddr *)&want.own, sizeof(want.own)) < 0)
		die("bind");
	if (want.listens && !want.udp)
		return accept_one(s);
	if (want.listens)
		await_peer(s);
	if (mrs_connect(s, (struct sockaddr *)&want.peer, sizeof(want.peer)) < 0)
		die("connect");
	return s;
}

static void *send_input(void *arg)
{
	static char data[65536];
	int s = *(int *)arg;
	ssize_t n;

	while ((n = read(STDIN_FILENO, data, want.udp ? 16384 : sizeof(data))) > 0)
		if (mrs_send(s, data, (size_t)n, MSG_NOSIGNAL) < 0)
			die("send");
	if (want.half_close && !want.udp)
		mrs_shutdown(s, SHUT_WR);
	return NULL;
}

static void write_all(const char *data, size_t size)
{
	while (size > 0) {
		ssize_t n = write(STDOUT_FILENO, data, size);

		if (n < 0)
			die("standard output");
		data += n;
		size -= (size_t)n;
	}
}

int main(int argc, char **argv)
{
	static char data[65536];
	pthread_t sender;
	ssize_t n;
	int s;

	if (!read_words(argc, argv)) {
		fputs(usage, stderr);
		return 2;
	}
	s = open_socket();
	if (pthread_create(&sender, NULL, send_input, &s) != 0)
		die("thread");
	mrs_setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &want.patience, sizeof(want.patience));
	while ((n = mrs_recv(s, data, sizeof(data), 0)) > 0 || (n == 0 && want.udp))
		write_all(data, (size_t)n);
	if (n < 0 && errno != EAGAIN)
		die("receive");
	if (want.half_close)
		pthread_join(sender, NULL); /* the peer may end before our input does */
	mrs_close(s);
	return 0;
}
