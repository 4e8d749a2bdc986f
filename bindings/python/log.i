/* Turns lines of the core's log into tuples that a thread of Python's takes out of a queue.
 * Never calls into Python from a thread of the core's, never waits for Python: a full queue loses lines and says so.
 * Rules: docs/errors.md, "The log". */
%{
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <time.h>

#define LOG_LINES 1024
#define LOG_TAKEN_MAX 256

typedef struct log_line {
    int32_t level;
    char area[16];
    char text[512];
} log_line;

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    log_line lines[LOG_LINES];
    int64_t first, count, lost;
    bool closed;
} log_queue = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static void log_put(int32_t level, const char *area, const char *message, void *user) {
    (void)user;
    pthread_mutex_lock(&log_queue.lock);
    if (log_queue.count == LOG_LINES) {
        log_queue.lost++;
    } else {
        log_line *line = &log_queue.lines[(log_queue.first + log_queue.count++) % LOG_LINES];
        line->level = level;
        snprintf(line->area, sizeof line->area, "%s", area);
        snprintf(line->text, sizeof line->text, "%s", message);
        pthread_cond_signal(&log_queue.changed);
    }
    pthread_mutex_unlock(&log_queue.lock);
}

static PyObject *log_tuple(int32_t level, const char *area, const char *text) {
    return Py_BuildValue("(isN)", (int)level, area, PyUnicode_DecodeUTF8(text, (Py_ssize_t)strlen(text), "replace"));
}
%}

%init %{
    {
        pinpipe_library_options log_options = PINPIPE_LIBRARY_OPTIONS_INIT;
        log_options.log = log_put;
        if (pinpipe_library_configure(&log_options, NULL) == PINPIPE_OK) {
            pinpipe_library_log_level_set(0);
        }
    }
%}

/* These build Python objects. */
%nothread log_take; /* … and gives the GIL up by itself */

%inline %{
/* Waits for a line and returns a list of (level, area, text), up to 256 at a time; an empty one once the queue is closed
 * and empty. */
static PyObject *log_take(void) {
    log_line *taken = PyMem_Malloc(LOG_TAKEN_MAX * sizeof *taken);
    int64_t count = 0, lost = 0;
    if (!taken) {
        return PyErr_NoMemory();
    }
    Py_BEGIN_ALLOW_THREADS
    pthread_mutex_lock(&log_queue.lock);
    while (log_queue.count == 0 && !log_queue.closed) {
        pthread_cond_wait(&log_queue.changed, &log_queue.lock);
    }
    while (log_queue.count > 0 && count < LOG_TAKEN_MAX) {
        taken[count++] = log_queue.lines[log_queue.first];
        log_queue.first = (log_queue.first + 1) % LOG_LINES;
        log_queue.count--;
    }
    lost = log_queue.lost;
    log_queue.lost = 0;
    pthread_mutex_unlock(&log_queue.lock);
    Py_END_ALLOW_THREADS
    PyObject *list = PyList_New(0);
    char told[64];
    snprintf(told, sizeof told, "%lld lines were lost", (long long)lost);
    for (int64_t i = 0; list && i < count + (lost > 0); i++) {
        PyObject *tuple = i < count ? log_tuple(taken[i].level, taken[i].area, taken[i].text) : log_tuple(4, "log", told);
        if (!tuple || PyList_Append(list, tuple) != 0) {
            Py_CLEAR(list);
        }
        Py_XDECREF(tuple);
    }
    PyMem_Free(taken);
    return list;
}

/* Whoever waits in log_take gets what is left. */
static void log_close(void) {
    pthread_mutex_lock(&log_queue.lock);
    log_queue.closed = true;
    pthread_cond_broadcast(&log_queue.changed);
    pthread_mutex_unlock(&log_queue.lock);
}

/* An empty queue; in a forked child the lock may be one that a thread of the parent's held. */
static void log_open(void) {
    pthread_mutex_init(&log_queue.lock, NULL);
    pthread_cond_init(&log_queue.changed, NULL);
    log_queue.first = log_queue.count = log_queue.lost = 0;
    log_queue.closed = false;
}
%}

%pythoncode %{
import os as _os

if _os.environ.get("PINPIPE_LOG"):
    from pinpipe import _log

    _log.begin_as_environment_says()
%}
