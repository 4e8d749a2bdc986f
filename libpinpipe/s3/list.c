/* Turns ListObjectsV2 answers into pages of objects, from several prefixes at once where that is worth it.
 * Never hands on a key before one whose bytes come first.
 * Rules: docs/s3.md, "Lists"; Amazon S3 API Reference, ListObjectsV2. */
#include "s3/list.h"

#if PINPIPE_WITH_S3

#include <assert.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "s3/fan.h"

#define PAGE_MAX 1000
#define IN_FLIGHT 8
/* Levels of prefixes that are looked at, one below the other. */
#define LEVELS_MAX 8

typedef enum list_state {
    LIST_WHOLE = 0,   /* no page has come yet */
    LIST_PROBING = 1, /* there is more than a page: its prefixes are looked at */
    LIST_ROW = 2,     /* page after page, by `trunk` */
    LIST_FAN = 3
} list_state;

struct pinpipe_s3_list {
    pp_s3_listing listing;
    int32_t in_flight, levels;
    list_state state;
    pp_s3_branch trunk, probe;
    pp_s3_fan fan;
    pp_s3_page page;   /* the caller's */
    pp_s3_page sample; /* the first, while prefixes are looked at */
};

static pinpipe_status options_check(const pinpipe_s3_list_options *options, pinpipe_error *err) {
    if (!options || options->struct_size < sizeof *options) {
        return pp_fail(err, PINPIPE_EINVAL, "list options lack their struct_size");
    }
    if (options->page_max < 0 || options->page_max > PAGE_MAX) {
        return pp_fail(err, PINPIPE_EINVAL, "page_max: %d, not 0 to %d", options->page_max, PAGE_MAX);
    }
    if (options->in_flight < 0 || options->in_flight > PP_S3_FAN_MAX) {
        return pp_fail(err, PINPIPE_EINVAL, "in_flight: %d, not 0 to %d", options->in_flight, PP_S3_FAN_MAX);
    }
    if (options->prefix.len > PP_S3_KEY_MAX || options->start_after.len > PP_S3_KEY_MAX) {
        return pp_fail(err, PINPIPE_EINVAL, "prefix or start_after: more than %d bytes", PP_S3_KEY_MAX);
    }
    return pp_s3_bucket_check(options->bucket, err);
}

pinpipe_status pinpipe_s3_list_new(pinpipe_s3_list **out, pinpipe_s3 *s3,
                                   const pinpipe_s3_list_options *options, pinpipe_error *err) {
    assert(out && s3);
    *out = NULL;
    pinpipe_status status = options_check(options, err);
    if (status < 0) {
        return status;
    }
    pinpipe_s3_list *made = pp_alloc_zero(sizeof *made);
    if (!made) {
        return pp_fail_memory(err, "a list", sizeof *made);
    }
    made->listing.s3 = pp_s3_retain(s3);
    made->listing.page_max = options->page_max ? options->page_max : PAGE_MAX;
    made->in_flight = options->in_flight ? options->in_flight : IN_FLIGHT;
    const struct {
        pinpipe_buf *to;
        pinpipe_str from;
    } copies[] = {{&made->listing.bucket, options->bucket},
                  {&made->trunk.prefix, options->prefix},
                  {&made->trunk.start_after, options->start_after}};
    for (size_t i = 0; status == PINPIPE_OK && i < sizeof copies / sizeof copies[0]; i++) {
        status = pp_buf_append(copies[i].to, copies[i].from.ptr, copies[i].from.len, err);
    }
    if (status == PINPIPE_OK) {
        *out = made;
        made = NULL;
    }
    pinpipe_s3_list_free(made);
    return status;
}

void pinpipe_s3_list_free(pinpipe_s3_list *list) {
    if (list) {
        pp_s3_branch_reset(&list->trunk, list->listing.s3);
        pp_s3_branch_reset(&list->probe, list->listing.s3);
        pp_s3_fan_reset(&list->fan, list->listing.s3);
        pp_s3_page_reset(&list->page);
        pp_s3_page_reset(&list->sample);
        pinpipe_buf_reset(&list->listing.bucket);
        pinpipe_s3_free(list->listing.s3);
        pp_free(list);
    }
}

/* ---- looking at prefixes ---- */

static pinpipe_status probe_set(pinpipe_s3_list *list, pinpipe_str prefix, pinpipe_error *err) {
    bool is_worth = list->levels++ < LEVELS_MAX && pp_s3_fan_is_worth(&list->sample, prefix);
    list->state = is_worth ? LIST_PROBING : LIST_ROW;
    list->probe.is_delimited = true;
    list->probe.is_ended = false;
    pp_buf_clear(&list->probe.prefix);
    pp_buf_clear(&list->probe.token);
    return pp_buf_append(&list->probe.prefix, prefix.ptr, prefix.len, err);
}

/* Goes on as the level that has come lets it. A probe that fails is no failure of the list. */
static pinpipe_status probe_move(pinpipe_s3_list *list, pinpipe_error *err) {
    pp_s3_branch *probe = &list->probe;
    pp_s3_page level = {.entries = NULL};
    pinpipe_str below = {NULL, 0};
    pinpipe_status status = pp_s3_branch_move(probe, &list->listing, 1, PP_S3_BRANCH_AHEAD, err);
    if (status < 0 || (probe->count == 0 && !probe->is_failed)) {
        return status;
    }
    list->state = LIST_ROW;
    if (probe->count > 0) {
        pinpipe_str behind = pp_s3_page_at(&list->sample, list->sample.count - 1).key;
        pp_s3_branch_take(&level, probe);
        pp_s3_level judged = pp_s3_fan_judge(&below, &list->fan, &level, behind);
        list->state = judged == PP_S3_LEVEL_FAN ? LIST_FAN : LIST_ROW;
        if (judged == PP_S3_LEVEL_BELOW) {
            status = probe_set(list, below, err);
        }
    }
    pp_s3_page_reset(&level);
    return status;
}

/* ---- moving ---- */

pinpipe_status pp_s3_list_start(pinpipe_s3_list *list, int64_t timeout_ms, pinpipe_error *err) {
    pinpipe_status status = PINPIPE_OK;
    list->listing.timeout_ms = timeout_ms;
    while (status == PINPIPE_OK && list->state == LIST_PROBING) {
        int32_t levels = list->levels;
        status = probe_move(list, err);
        if (list->state == LIST_PROBING && list->levels == levels) {
            return status; /* it is under way */
        }
    }
    if (status == PINPIPE_OK && list->state == LIST_FAN) {
        return pp_s3_fan_move(&list->fan, &list->listing, list->in_flight, err);
    }
    if (status == PINPIPE_OK) {
        status = pp_s3_branch_move(&list->trunk, &list->listing, 1, PP_S3_BRANCH_WANTED, err);
    }
    bool is_done = status == PINPIPE_OK && list->trunk.is_ended && list->trunk.count == 0;
    return is_done ? PINPIPE_DONE : status;
}

bool pp_s3_list_is_ready(const pinpipe_s3_list *list) {
    return list->state == LIST_FAN ? pp_s3_fan_is_ready(&list->fan)
                                   : list->state != LIST_PROBING && list->trunk.count > 0;
}

static pinpipe_status page_take(pinpipe_s3_list *list, pinpipe_error *err) {
    if (list->state == LIST_FAN) {
        return pp_s3_fan_take(&list->page, &list->fan, list->listing.page_max, err);
    }
    pp_s3_branch_take(&list->page, &list->trunk);
    if (list->state == LIST_WHOLE) {
        list->state = LIST_ROW;
        if (!list->trunk.is_ended && list->in_flight > 1 && list->page.count > 0) {
            for (int64_t i = 0; i < list->page.count; i++) {
                pinpipe_s3_object object = pp_s3_page_at(&list->page, i);
                pinpipe_status status = pp_s3_page_add(&list->sample, &object, err);
                if (status < 0) {
                    return status;
                }
            }
            return probe_set(list, pp_buf_view(&list->trunk.prefix), err);
        }
    }
    return PINPIPE_OK;
}

pinpipe_status pinpipe_s3_list_next(pinpipe_s3_list *list, int64_t timeout_ms, pinpipe_error *err) {
    assert(list);
    list->page.count = 0;
    pp_buf_clear(&list->page.bytes);
    for (;;) {
        pinpipe_status status = pp_s3_list_start(list, timeout_ms, err);
        if (status != PINPIPE_OK) {
            return status;
        }
        if (pp_s3_list_is_ready(list)) {
            return page_take(list, err);
        }
        status = pp_s3_jobs_wait(list->listing.s3, err);
        if (status < 0) {
            return status;
        }
    }
}

pinpipe_status pp_s3_list_read(pinpipe_s3_list *list, pinpipe_str document, pinpipe_error *err) {
    list->page.count = 0;
    pinpipe_status status = pp_s3_branch_read(&list->trunk, &list->listing, document, err);
    if (status == PINPIPE_OK) {
        pp_s3_branch_take(&list->page, &list->trunk);
    }
    return status;
}

int64_t pinpipe_s3_list_count(const pinpipe_s3_list *list) {
    return list->page.count;
}

pinpipe_s3_object pinpipe_s3_list_at(const pinpipe_s3_list *list, int64_t index) {
    return pp_s3_page_at(&list->page, index);
}

#endif
