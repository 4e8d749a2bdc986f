/* Turns the sockets of one client into a list that can be cut at once.
 * Never closes a socket that its owner has not closed.
 * Rules: docs/kafka.md, "Consumer". */
#ifndef PP_IO_SOCKETS_H
#define PP_IO_SOCKETS_H

#include "base/error.h"

/** Any thread. */
typedef struct pp_sockets pp_sockets;

/** Makes an empty list. Errors: ENOMEM. */
pinpipe_status pp_sockets_new(pp_sockets **out, pinpipe_error *err);

/** NULL is allowed; every socket has been closed. */
void pp_sockets_free(pp_sockets *sockets);

/** As socket(2), closed at exec; -1 and errno, after a cut always. */
int pp_sockets_open(pp_sockets *sockets, int domain, int type, int protocol);

/** As close(2). */
int pp_sockets_close(pp_sockets *sockets, int number);

/** Ends every connection: whoever waits for an answer learns that none will come. */
void pp_sockets_cut(pp_sockets *sockets);

#endif
