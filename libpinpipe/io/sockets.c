/* Turns the sockets of one client into a list that can be cut at once.
 * Never closes a socket that its owner has not closed: its number could be another's by then.
 * Rules: docs/kafka.md, "Consumer"; shutdown(2). */
#include "io/sockets.h"

#include <errno.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/memory.h"

struct pp_sockets {
    pthread_mutex_t mutex;
    int *numbers;
    int64_t count, cap;
    bool is_cut;
};

pinpipe_status pp_sockets_new(pp_sockets **out, pinpipe_error *err) {
    pp_sockets *made = pp_alloc_zero(sizeof *made);
    *out = made;
    if (!made) {
        return pp_fail_memory(err, "a list of sockets", sizeof *made);
    }
    pthread_mutex_init(&made->mutex, NULL);
    return PINPIPE_OK;
}

void pp_sockets_free(pp_sockets *sockets) {
    if (sockets) {
        pthread_mutex_destroy(&sockets->mutex);
        pp_free(sockets->numbers);
        pp_free(sockets);
    }
}

static bool room_make(pp_sockets *sockets) {
    if (sockets->count < sockets->cap) {
        return true;
    }
    int64_t cap = sockets->cap ? 2 * sockets->cap : 8;
    int *numbers = pp_realloc(sockets->numbers, (size_t)cap * sizeof *numbers);
    if (numbers) {
        sockets->numbers = numbers;
        sockets->cap = cap;
    }
    return numbers != NULL;
}

int pp_sockets_open(pp_sockets *sockets, int domain, int type, int protocol) {
    int number = -1;
    pthread_mutex_lock(&sockets->mutex);
    if (sockets->is_cut) {
        errno = ENETDOWN;
    } else if (!room_make(sockets)) {
        errno = ENOMEM;
    } else {
        number = socket(domain, type | SOCK_CLOEXEC, protocol);
    }
    if (number >= 0) {
        sockets->numbers[sockets->count++] = number;
    }
    pthread_mutex_unlock(&sockets->mutex);
    return number;
}

int pp_sockets_close(pp_sockets *sockets, int number) {
    pthread_mutex_lock(&sockets->mutex);
    for (int64_t i = 0; i < sockets->count; i++) {
        if (sockets->numbers[i] == number) {
            sockets->numbers[i] = sockets->numbers[--sockets->count];
            break;
        }
    }
    int result = close(number);
    pthread_mutex_unlock(&sockets->mutex);
    return result;
}

void pp_sockets_cut(pp_sockets *sockets) {
    pthread_mutex_lock(&sockets->mutex);
    sockets->is_cut = true;
    for (int64_t i = 0; i < sockets->count; i++) {
        shutdown(sockets->numbers[i], SHUT_RDWR);
    }
    pthread_mutex_unlock(&sockets->mutex);
}
