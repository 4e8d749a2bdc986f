/* Turns a level of common prefixes into branches that are listed side by side and handed on one after the
 * other. Never lists a key twice, nor one that was listed before the level was looked at. Rules: docs/s3.md,
 * "Lists"; Amazon S3 API Reference, ListObjectsV2 (delimiter). */
#include "s3/fan.h"

#if PINPIPE_WITH_S3

#include <assert.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"

/* A page's keys lie below so many prefixes at most: then a prefix has a quarter of a page on average. */
#define PREFIXES_A_PAGE_MAX 4
#define PREFIXES_MAX 256

static bool begins_with(pinpipe_str text, pinpipe_str start) {
    return text.len >= start.len && (start.len == 0 || memcmp(text.ptr, start.ptr, start.len) == 0);
}

static bool is_behind(pinpipe_str key, pinpipe_str other) {
    size_t len = key.len < other.len ? key.len : other.len;
    int order = len ? memcmp(key.ptr, other.ptr, len) : 0;
    return order > 0 || (order == 0 && key.len > other.len);
}

/* The key up to the first '/' behind `prefix`; empty where it has none. */
static pinpipe_str common_prefix(pinpipe_str key, pinpipe_str prefix) {
    const char *slash = key.len > prefix.len ? memchr(key.ptr + prefix.len, '/', key.len - prefix.len) : NULL;
    return (pinpipe_str){key.ptr, slash ? (size_t)(slash + 1 - key.ptr) : 0};
}

bool pp_s3_fan_is_worth(const pp_s3_page *page, pinpipe_str prefix) {
    int32_t prefixes = 0;
    pinpipe_str former = {NULL, 0};
    for (int64_t i = 0; i < page->count && prefixes <= PREFIXES_A_PAGE_MAX; i++) {
        pinpipe_str key = pp_s3_page_at(page, i).key;
        pinpipe_str common = begins_with(key, prefix) ? common_prefix(key, prefix) : (pinpipe_str){NULL, 0};
        prefixes += common.len && !pp_str_equal(common, former);
        former = common.len ? common : former;
    }
    return prefixes >= 1 && prefixes <= PREFIXES_A_PAGE_MAX;
}

/* Something of it is behind the last key. */
static bool is_left(const pp_s3_page *level, int64_t index, pinpipe_str behind) {
    pinpipe_str key = pp_s3_page_at(level, index).key;
    return is_behind(key, behind) || (level->entries[index].is_prefix && begins_with(behind, key));
}

pp_s3_level pp_s3_fan_judge(pinpipe_str *below, pp_s3_fan *fan, pp_s3_page *level, pinpipe_str behind) {
    pp_s3_page former = fan->level;
    int64_t prefixes = 0;
    fan->level = *level;
    *level = former;
    fan->at = 0;
    while (fan->at < fan->level.count && !is_left(&fan->level, fan->at, behind)) {
        fan->at++;
    }
    for (int64_t i = fan->at; i < fan->level.count; i++) {
        prefixes += fan->level.entries[i].is_prefix;
    }
    pp_buf_clear(&fan->behind);
    if (fan->level.is_truncated || prefixes == 0 || prefixes > PREFIXES_MAX ||
        pp_buf_append(&fan->behind, behind.ptr, behind.len, NULL) < 0) {
        return PP_S3_LEVEL_NONE;
    }
    *below = pp_s3_page_at(&fan->level, fan->at).key;
    bool is_one = fan->level.count - fan->at == 1;
    return is_one ? PP_S3_LEVEL_BELOW : PP_S3_LEVEL_FAN;
}

static pinpipe_status branch_begin(pp_s3_limb *limb, const pp_s3_fan *fan, pinpipe_error *err) {
    pinpipe_str prefix = pp_s3_page_at(&fan->level, fan->at).key, behind = pp_buf_view(&fan->behind);
    limb->branch = pp_alloc_zero(sizeof *limb->branch);
    if (!limb->branch) {
        return pp_fail_memory(err, "a list", sizeof *limb->branch);
    }
    pinpipe_status status = pp_buf_append(&limb->branch->prefix, prefix.ptr, prefix.len, err);
    if (status == PINPIPE_OK && begins_with(behind, prefix)) {
        status = pp_buf_append(&limb->branch->start_after, behind.ptr, behind.len, err);
    }
    return status;
}

static void limb_reset(pp_s3_limb *limb, pinpipe_s3 *s3) {
    if (limb->branch) {
        pp_s3_branch_reset(limb->branch, s3);
        pp_free(limb->branch);
    }
    *limb = (pp_s3_limb){.branch = NULL};
}

static pinpipe_status limb_begin(pp_s3_fan *fan, pinpipe_s3 *s3, pinpipe_error *err) {
    pp_s3_limb *limb = &fan->limbs[(fan->first + fan->count) % PP_S3_FAN_MAX];
    pinpipe_status status = PINPIPE_OK;
    if (fan->level.entries[fan->at].is_prefix) {
        status = branch_begin(limb, fan, err);
        fan->at += status == PINPIPE_OK;
    } else {
        limb->from = fan->at;
        while (fan->at < fan->level.count && !fan->level.entries[fan->at].is_prefix) {
            fan->at++;
        }
        limb->to = fan->at;
    }
    if (status < 0) {
        limb_reset(limb, s3);
        return status;
    }
    fan->count++;
    return status;
}

static bool limb_is_empty(const pp_s3_limb *limb) {
    return limb->branch ? limb->branch->is_ended && limb->branch->count == 0 : limb->from == limb->to;
}

pinpipe_status pp_s3_fan_move(pp_s3_fan *fan, pp_s3_listing *listing, int32_t in_flight, pinpipe_error *err) {
    pinpipe_status status = PINPIPE_OK;
    bool is_moved = false;
    while (status == PINPIPE_OK && !is_moved) {
        while (fan->count > 0 && limb_is_empty(&fan->limbs[fan->first])) {
            limb_reset(&fan->limbs[fan->first], listing->s3);
            fan->first = (fan->first + 1) % PP_S3_FAN_MAX;
            fan->count--;
        }
        while (status == PINPIPE_OK && fan->count < in_flight && fan->at < fan->level.count) {
            status = limb_begin(fan, listing->s3, err);
        }
        for (int32_t i = 0; status == PINPIPE_OK && i < fan->count; i++) {
            pp_s3_limb *limb = &fan->limbs[(fan->first + i) % PP_S3_FAN_MAX];
            pp_s3_branch_use use = i == 0 ? PP_S3_BRANCH_WANTED : PP_S3_BRANCH_AHEAD;
            status =
                limb->branch ? pp_s3_branch_move(limb->branch, listing, PP_S3_AHEAD_MAX, use, err) : status;
        }
        is_moved = fan->count == 0 || !limb_is_empty(&fan->limbs[fan->first]);
    }
    return status == PINPIPE_OK && fan->count == 0 ? PINPIPE_DONE : status;
}

bool pp_s3_fan_is_ready(const pp_s3_fan *fan) {
    const pp_s3_limb *limb = &fan->limbs[fan->first];
    return fan->count > 0 && (!limb->branch || limb->branch->count > 0);
}

pinpipe_status pp_s3_fan_take(pp_s3_page *out, pp_s3_fan *fan, int64_t page_max, pinpipe_error *err) {
    assert(pp_s3_fan_is_ready(fan));
    pp_s3_limb *limb = &fan->limbs[fan->first];
    pinpipe_status status = PINPIPE_OK;
    if (limb->branch) {
        pp_s3_branch_take(out, limb->branch);
        return status;
    }
    for (; status == PINPIPE_OK && limb->from < limb->to && out->count < page_max; limb->from++) {
        pinpipe_s3_object object = pp_s3_page_at(&fan->level, limb->from);
        status = pp_s3_page_add(out, &object, err);
    }
    return status;
}

void pp_s3_fan_reset(pp_s3_fan *fan, pinpipe_s3 *s3) {
    for (int32_t i = 0; i < PP_S3_FAN_MAX; i++) {
        limb_reset(&fan->limbs[i], s3);
    }
    pp_s3_page_reset(&fan->level);
    pinpipe_buf_reset(&fan->behind);
}

#endif
