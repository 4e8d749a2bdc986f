/* Turns tables of a library's functions into functions of the same names that load the library when called.
 * Never loads it before, and only once: without it each function answers what its table says.
 * Rules: docs/architecture.md, "The Python border". One inclusion a shared object's source. */
#ifndef PINPIPE_ON_DEMAND_H
#define PINPIPE_ON_DEMAND_H

#include <dlfcn.h>
#include <pthread.h>
#include <string.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void function_find(void *field, void *library, const char *name) {
    void *found = dlsym(library, name);
    memcpy(field, &found, sizeof found); /* ISO C has no conversion from one to the other */
}

/* A row of PASSED: name, result, what it is without the library, parameters, arguments. One of PASSED_VOID
 * has neither result nor what stands for it. The pointers lie in `loaded`, which `load` fills. */
#define ON_DEMAND_FIELD(name, result, otherwise, parameters, arguments) result(*name) parameters;
#define ON_DEMAND_FIELD_VOID(name, parameters, arguments) void(*name) parameters;
#define ON_DEMAND_FIND(name, ...) function_find(&loaded.name, library, #name);

#define ON_DEMAND_CALL(name, result, otherwise, parameters, arguments)                                       \
    result name parameters {                                                                                 \
        pthread_once(&once, load);                                                                           \
        return loaded.name ? loaded.name arguments : (otherwise);                                            \
    }

#define ON_DEMAND_CALL_VOID(name, parameters, arguments)                                                     \
    void name parameters {                                                                                   \
        pthread_once(&once, load);                                                                           \
        if (loaded.name) {                                                                                   \
            loaded.name arguments;                                                                           \
        }                                                                                                    \
    }

#endif
