/* Turns the address that a socket is about to be opened to into a verdict.
 * Never looks at names: it sees what they resolved to, so that a name that changes between check and use
 * gains nothing. Rules: docs/credentials.md, "Link-local safety". */
#ifndef PP_IO_GUARD_H
#define PP_IO_GUARD_H

#include <stdbool.h>

#include "aws/metadata.h"

struct sockaddr;

/** `literal` is one more address that is allowed, as inet_ntop writes it; "" = none. */
bool pp_guard_allows(pp_guard guard, const char *literal, const struct sockaddr *address);

#endif
