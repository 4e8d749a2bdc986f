/* Turns pieces of bytes into members and objects by several threads, as the sink's workers do, and counts
 * them. Never needs a cluster, so that the thread sanitizer sees nothing but this library. Rules:
 * docs/sink.md, "Workers". */
#include "sinking.h"

#include "base/compress.h"
#include "pipeline/object_store.h"
#include "pipeline/work_pool.h"

enum { WORKERS = 4, WORKS = 400, KEYS = 100 };

typedef struct worker {
    pp_object_store *store;
    pp_compressor *compressor;
    int64_t done;
} worker;

typedef struct object_work {
    pp_work work;
    int32_t number;
    pinpipe_buf packed;
    pinpipe_status status;
    pp_object_outcome outcome;
    pp_object_facts facts;
} object_work;

/* Four works of each key: one of them makes the object, the others find it. */
static void object_run(pp_work *work, void *opaque) {
    object_work *wanted = (object_work *)work;
    worker *self = opaque;
    char key[32] = "", line[64] = "";
    snprintf(key, sizeof key, "k/%d.json.gz", wanted->number % KEYS);
    snprintf(line, sizeof line, "{\"n\":%d}\n{\"again\":true}\n", wanted->number % KEYS);
    wanted->status = pp_compressor_encode(&wanted->packed, self->compressor, pp_str(line), NULL);
    pinpipe_str piece = pp_buf_view(&wanted->packed);
    pp_object object = {.key = pp_str(key), .codec = PP_CODEC_GZIP, .pieces = &piece, .piece_count = 1};
    if (wanted->status == PINPIPE_OK) {
        wanted->status = pp_object_store_create(&wanted->outcome, self->store, &object, 1000, NULL);
    }
    if (wanted->status == PINPIPE_OK && wanted->outcome == PP_OBJECT_EXISTS) {
        wanted->status =
            pp_object_store_find(&wanted->facts, self->store, object.key, PP_CODEC_GZIP, 1000, NULL);
    }
    self->done++;
}

static void works_take(pp_work_pool *pool, int *ended, int *created) {
    for (pp_work *work = pp_work_pool_take(pool); work;) {
        object_work *wanted = (object_work *)work;
        work = work->next;
        CHECK_INT(wanted->status, PINPIPE_OK);
        *created += wanted->outcome == PP_OBJECT_CREATED;
        CHECK(wanted->outcome == PP_OBJECT_CREATED || wanted->facts.count == 2);
        pinpipe_buf_reset(&wanted->packed);
        (*ended)++;
    }
}

int main(void) {
    static object_work works[WORKS];
    worker workers[WORKERS] = {{0}};
    void *handles[WORKERS];
    pp_work_pool *pool = NULL;
    snprintf(folder, sizeof folder, "/tmp/pinpipe-sink-XXXXXX");
    CHECK(mkdtemp(folder) != NULL);
    snprintf(target, sizeof target, "file://%s", folder);
    for (int i = 0; i < WORKERS; i++) {
        handles[i] = &workers[i];
        CHECK_INT(i ? pp_object_store_copy(&workers[i].store, workers[0].store, NULL)
                    : pp_object_store_open(&workers[i].store, pp_str(target), NULL, NULL),
                  PINPIPE_OK);
        CHECK_INT(pp_compressor_new(&workers[i].compressor, PP_CODEC_GZIP, 0, NULL), PINPIPE_OK);
    }
    CHECK_INT(pp_work_pool_new(&pool, handles, WORKERS, NULL), PINPIPE_OK);
    int ended = 0, created = 0;
    for (int i = 0; i < WORKS; i++) {
        works[i].number = i;
        works[i].work.run = object_run;
        pp_work_pool_put(pool, &works[i].work);
        works_take(pool, &ended, &created);
    }
    int64_t deadline_ms = pp_clock_monotonic_ms() + 60000;
    while (ended < WORKS && pp_clock_monotonic_ms() < deadline_ms) {
        pp_work_pool_wait(pool, 100);
        works_take(pool, &ended, &created);
    }
    CHECK_INT(ended, WORKS);
    CHECK_INT(created, KEYS);
    pp_work_pool_free(pool);
    int64_t done = 0;
    for (int i = 0; i < WORKERS; i++) {
        done += workers[i].done;
        pp_object_store_free(workers[i].store);
        pp_compressor_free(workers[i].compressor);
    }
    CHECK_INT(done, WORKS);
    CHECK_INT(files_in("k"), KEYS);
    nftw(folder, entry_remove, 16, FTW_DEPTH | FTW_PHYS);
    return check_report();
}
