/* Turns forks into a number that differs between parent and child.
 * Never asks the system for each call: the child counts once, when it begins.
 * Rules: POSIX pthread_atfork. */
#ifndef PP_IO_FORK_H
#define PP_IO_FORK_H

#include <stdint.h>

/** Forks between the first process that asked and this one. */
uint32_t pp_fork_generation(void);

#endif
