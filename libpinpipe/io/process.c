/* Turns a command line into what the program wrote to its standard output.
 * Never asks a shell, and never reaps a process but its own: the host program may have others.
 * Rules: docs/credentials.md, "credential_process"; POSIX posix_spawn, XCU 2.2 "Quoting". */
#include "io/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "io/clock.h"

#define SLICE_MS 50
#define REAP_PAUSE_MS 2

extern char **environ;

typedef struct words {
    char *text; /* PP_PROCESS_COMMAND_MAX bytes */
    char *at[PP_PROCESS_WORDS_MAX + 1];
    int count;
} words;

/* Takes one word from `in` to `*tail`; the quotes go. */
static pinpipe_status word_take(char **tail, pinpipe_str *in, pinpipe_error *err) {
    char quote = 0;
    while (in->len && (quote || (in->ptr[0] != ' ' && in->ptr[0] != '\t' && in->ptr[0] != '\n'))) {
        char byte = in->ptr[0];
        in->ptr++;
        in->len--;
        if (quote && byte == quote) {
            quote = 0;
        } else if (!quote && (byte == '"' || byte == '\'')) {
            quote = byte;
        } else {
            bool escape = byte == '\\' && in->len &&
                          (!quote || (quote == '"' && (in->ptr[0] == '"' || in->ptr[0] == '\\')));
            if (escape) {
                byte = in->ptr[0];
                in->ptr++;
                in->len--;
            }
            *(*tail)++ = byte;
        }
    }
    *(*tail)++ = '\0';
    return quote ? pp_fail(err, PINPIPE_EAUTH, "credential_process: a quote without its end") : PINPIPE_OK;
}

static pinpipe_status words_split(words *out, pinpipe_str command, pinpipe_error *err) {
    if (command.len >= PP_PROCESS_COMMAND_MAX) {
        return pp_fail(err, PINPIPE_EAUTH, "credential_process: %zu bytes are more than %d", command.len,
                       PP_PROCESS_COMMAND_MAX - 1);
    }
    out->text = pp_alloc_zero((size_t)2 * PP_PROCESS_COMMAND_MAX);
    if (!out->text) {
        return pp_fail_memory(err, "a command", (size_t)2 * PP_PROCESS_COMMAND_MAX);
    }
    char *tail = out->text;
    pinpipe_status status = PINPIPE_OK;
    while (status == PINPIPE_OK) {
        while (command.len && (command.ptr[0] == ' ' || command.ptr[0] == '\t' || command.ptr[0] == '\n')) {
            command.ptr++;
            command.len--;
        }
        if (!command.len) {
            break;
        }
        if (out->count == PP_PROCESS_WORDS_MAX) {
            return pp_fail(err, PINPIPE_EAUTH, "credential_process: more than %d words",
                           PP_PROCESS_WORDS_MAX);
        }
        out->at[out->count++] = tail;
        status = word_take(&tail, &command, err);
    }
    return status == PINPIPE_OK && !out->count
               ? pp_fail(err, PINPIPE_EAUTH, "credential_process: it is empty")
               : status;
}

/* The child gets null, the pipe, null, and nothing else that is open here. */
static int spawn_prepared(pid_t *out, posix_spawn_file_actions_t *files, posix_spawnattr_t *attributes,
                          const words *command, int output) {
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    int code = posix_spawn_file_actions_addopen(files, 0, "/dev/null", O_RDONLY, 0);
    code = code ? code : posix_spawn_file_actions_adddup2(files, output, 1);
    code = code ? code : posix_spawn_file_actions_addopen(files, 2, "/dev/null", O_WRONLY, 0);
#if defined(__GLIBC__) && (__GLIBC__ > 2 || __GLIBC_MINOR__ >= 34)
    code = code ? code : posix_spawn_file_actions_addclosefrom_np(files, 3);
#endif
    code = code ? code : posix_spawnattr_setsigmask(attributes, &none);
    code = code ? code : posix_spawnattr_setsigdefault(attributes, &all);
    code = code ? code : posix_spawnattr_setpgroup(attributes, 0);
    code = code ? code
                : posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
                                                           POSIX_SPAWN_SETPGROUP);
    if (!command->at[0]) {
        return EINVAL;
    }
    return code ? code : posix_spawnp(out, command->at[0], files, attributes, command->at, environ);
}

static int spawn(pid_t *out, const words *command, int output) {
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    if (posix_spawn_file_actions_init(&files) != 0) {
        return ENOMEM;
    }
    int code = posix_spawnattr_init(&attributes);
    if (code == 0) {
        code = spawn_prepared(out, &files, &attributes, command, output);
        posix_spawnattr_destroy(&attributes);
    }
    posix_spawn_file_actions_destroy(&files);
    return code;
}

static bool is_stopped(const pp_process_options *options) {
    return options->stop && atomic_load(options->stop);
}

static pinpipe_status output_read(pinpipe_buf *out, int input, const pp_process_options *options,
                                  int64_t deadline_ms, pinpipe_error *err) {
    while (pp_clock_monotonic_ms() < deadline_ms && !is_stopped(options)) {
        struct pollfd wait = {.fd = input, .events = POLLIN};
        int ready = poll(&wait, 1, SLICE_MS);
        if (ready < 0 && errno != EINTR) {
            return pp_fail(err, PINPIPE_EIO, "credential_process: its output cannot be waited for");
        }
        if (ready <= 0) {
            continue;
        }
        ssize_t count = read(input, out->ptr + out->len, options->out_max + 1 - out->len);
        if (count == 0) {
            return PINPIPE_OK;
        }
        if (count < 0 && errno != EINTR) {
            return pp_fail(err, PINPIPE_EIO, "credential_process: its output cannot be read");
        }
        out->len += count > 0 ? (size_t)count : 0;
        if (out->len > options->out_max) {
            return pp_fail(err, PINPIPE_ELIMIT, "credential_process: more than %zu bytes of output",
                           options->out_max);
        }
    }
    return pp_fail(err, PINPIPE_ETIMEOUT, "credential_process: no answer within %lld ms",
                   (long long)options->timeout_ms);
}

/* Where the host program ignores SIGCHLD there is no status to be had: the output speaks for itself. */
static pinpipe_status child_reap(pid_t child, const pp_process_options *options, int64_t deadline_ms,
                                 pinpipe_error *err) {
    int state = 0;
    for (;;) {
        pid_t done = waitpid(child, &state, WNOHANG);
        if (done == child || (done < 0 && errno != EINTR)) {
            bool good = done < 0 || (WIFEXITED(state) && WEXITSTATUS(state) == 0);
            return good ? PINPIPE_OK
                        : pp_fail_service(err, PINPIPE_EAUTH, "", WIFEXITED(state) ? WEXITSTATUS(state) : 0,
                                          "credential_process: %s %d",
                                          WIFEXITED(state) ? "exit status" : "killed by signal",
                                          WIFEXITED(state) ? WEXITSTATUS(state) : WTERMSIG(state));
        }
        if (pp_clock_monotonic_ms() >= deadline_ms || is_stopped(options)) {
            return pp_fail(err, PINPIPE_ETIMEOUT, "credential_process: it does not end within %lld ms",
                           (long long)options->timeout_ms);
        }
        pp_clock_sleep_ms(REAP_PAUSE_MS);
    }
}

static void child_kill(pid_t child) {
    kill(-child, SIGKILL);
    kill(child, SIGKILL);
    while (waitpid(child, NULL, 0) < 0 && errno == EINTR) {
    }
}

pinpipe_status pp_process_run(pinpipe_buf *out, pinpipe_str command, const pp_process_options *options,
                              pinpipe_error *err) {
    words split = {0};
    int ends[2] = {-1, -1};
    pid_t child = 0;
    int64_t deadline_ms = pp_clock_monotonic_ms() + options->timeout_ms;
    pp_buf_clear(out);
    pinpipe_status status = words_split(&split, command, err);
    if (status == PINPIPE_OK) {
        status = pp_buf_reserve(out, options->out_max + 1, options->out_max + 1, err);
    }
    if (status == PINPIPE_OK && pipe2(ends, O_CLOEXEC) != 0) {
        status = pp_fail(err, PINPIPE_EIO, "credential_process: no pipe");
    }
    if (status == PINPIPE_OK) {
        int code = spawn(&child, &split, ends[1]);
        status = code == 0 ? PINPIPE_OK
                           : pp_fail_service(err, PINPIPE_EAUTH, "", code,
                                             "credential_process: '%.64s' cannot be started (errno %d)",
                                             split.at[0], code);
    }
    if (ends[1] >= 0) {
        close(ends[1]);
    }
    if (status == PINPIPE_OK) {
        status = output_read(out, ends[0], options, deadline_ms, err);
        if (status == PINPIPE_OK) {
            status = child_reap(child, options, deadline_ms, err);
        } else {
            child_kill(child);
        }
        if (status == PINPIPE_ETIMEOUT) {
            child_kill(child);
        }
    }
    if (ends[0] >= 0) {
        close(ends[0]);
    }
    if (out->ptr) {
        out->ptr[out->len] = '\0';
    }
    pp_free(split.text);
    return status;
}
