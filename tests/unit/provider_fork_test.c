/* Turns forks in the middle of traffic into checks of one provider: each child goes on, fetches its own next
 * key, ends. Never lets a child wait longer than 20 s: a hang is a failure. Rules: docs/credentials.md,
 * "Forks"; issue 5. */
#include "check.h"

#if PINPIPE_WITH_S3

#include <sys/wait.h>

#include "machine.h"

#define FORKS 100 /* the first argument says otherwise */

static int child_run(pinpipe_provider *provider) {
    if (!key_is(provider, "ASIAFIRST")) {
        return 1;
    }
    atomic_store(&wall_ms, INT64_C(1767225600000) + INT64_C(21500) * 1000); /* the child's own copy */
    int failed = key_is(provider, "ASIASECOND") ? 0 : 2;
    pinpipe_provider_free(provider);
    return failed;
}

static void test_fork(int forks) {
    static const loopback_answer answers[] = {{.line = "GET /key ", .status = 200, .body = KEY_1},
                                              {.line = "GET /key ", .status = 200, .body = KEY_2}};
    loopback server;
    pthread_t threads[2];
    pinpipe_provider *provider = provider_begin(&server, answers, 2);
    CHECK(key_is(provider, "ASIAFIRST"));
    atomic_store(&readers_stop, false);
    for (int i = 0; i < 2; i++) {
        CHECK(pthread_create(&threads[i], NULL, key_loop, provider) == 0);
    }
    int failed = 0;
    for (int i = 0; i < forks; i++) {
        fflush(NULL);
        pid_t child = fork();
        if (child == 0) {
            alarm(20);
            _exit(child_run(provider));
        }
        int state = -1;
        CHECK(waitpid(child, &state, 0) == child);
        failed += !WIFEXITED(state) || WEXITSTATUS(state) != 0;
    }
    CHECK_INT(failed, 0);
    atomic_store(&readers_stop, true);
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
    }
    CHECK_INT(server.requests, 1 + forks); /* each child fetched its own, once */
    CHECK(key_is(provider, "ASIAFIRST"));
    printf("forks: %d under load, %d failed\n", forks, failed);
    pinpipe_provider_free(provider);
    loopback_end(&server);
}

int main(int count, char **arguments) {
    test_fork(count > 1 ? (int)strtol(arguments[1], NULL, 10) : FORKS);
    return check_report();
}
#else
int main(void) {
    CHECK(1);
    return check_report();
}
#endif
