/* Turns an object into bytes in memory: the first part tells the size, the rest comes by ranges at once.
 * Never mixes two versions of an object and never asks for its size first.
 * Rules: Amazon S3 API Reference, GetObject; docs/s3.md, "Large objects". */
#include "s3/client.h"

#if PINPIPE_WITH_S3

#include <assert.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "io/clock.h"

#define HTTP_RANGE_NOT_SATISFIABLE 416

/* One object on its way into the caller's room. */
typedef struct whole {
    pinpipe_s3 *s3;
    pinpipe_s3_name name;
    pinpipe_s3_room_fn room;
    void *user;
    char *base; /* the caller's room, once the size is known */
    int64_t room_bytes;
    pinpipe_buf unsized; /* what comes from a store that does not tell it */
    int64_t max;
    int64_t deadline_ms;
    pp_s3_range first;
} whole;

/* One of the requests that bring the rest. */
typedef struct lane {
    pp_s3_job job;
    pp_s3_range range;
} lane;

static pinpipe_status room_take(whole *object, int64_t size, pinpipe_error *err) {
    if (object->base && object->room_bytes == size) {
        return PINPIPE_OK;
    }
    object->base = object->room(object->user, size);
    object->room_bytes = size;
    if (!object->base) {
        return pp_fail_memory(err, "an object", (size_t)size);
    }
    pp_memory_expect(object->base, (size_t)size);
    return PINPIPE_OK;
}

static pinpipe_status bytes_place(void *user, int64_t offset, pinpipe_str bytes, pinpipe_error *err) {
    whole *object = user;
    int64_t total = object->first.total, end = offset + (int64_t)bytes.len;
    int64_t size = total > end ? total : end;
    if (size > object->max) {
        return pp_fail(err, PINPIPE_ELIMIT, "the object of %lld bytes is larger than the %lld allowed",
                       (long long)size, (long long)object->max);
    }
    if (total < 0) {
        object->unsized.len = (size_t)offset;
        return pp_buf_append(&object->unsized, bytes.ptr, bytes.len, err);
    }
    pinpipe_status status = room_take(object, size, err);
    if (status == PINPIPE_OK) {
        pp_str_copy(object->base + offset, bytes);
    }
    return status;
}

static pp_s3_call range_call(const whole *object, pp_s3_range *range) {
    return (pp_s3_call){.method = "GET", .doing = "get", .name = object->name, .query = "", .range = range};
}

static int64_t time_left(const whole *object) {
    int64_t left_ms = object->deadline_ms - pp_clock_monotonic_ms();
    return left_ms > 0 ? left_ms : 1;
}

static pinpipe_status first_get(whole *object, int64_t last, pinpipe_error *err) {
    object->first = (pp_s3_range){.last = last, .total = -1, .take = bytes_place, .user = object};
    pp_s3_call call = range_call(object, &object->first);
    return pp_s3_send(object->s3, &call, time_left(object), err);
}

/* Starts the next range on a free lane; false when there is none left. */
static bool lane_start(lane *free_lane, whole *object, int64_t *at) {
    int64_t total = object->first.total, part = object->s3->part_bytes;
    if (*at >= total) {
        return false;
    }
    int64_t end = total - *at > part ? *at + part : total;
    free_lane->range = object->first;
    free_lane->range.first = free_lane->range.next = *at;
    free_lane->range.last = end - 1;
    pp_s3_call call = range_call(object, &free_lane->range);
    pp_s3_job_start(&free_lane->job, object->s3, &call, time_left(object));
    *at = end;
    return true;
}

static pinpipe_status rest_get(whole *object, pinpipe_error *err) {
    int32_t lane_count = object->s3->in_flight, busy = 0;
    int64_t at = object->first.next;
    lane *lanes = pp_alloc_zero((size_t)lane_count * sizeof *lanes);
    if (!lanes) {
        return pp_fail_memory(err, "requests", (size_t)lane_count * sizeof *lanes);
    }
    pinpipe_status status = PINPIPE_OK;
    for (int32_t i = 0; i < lane_count; i++) {
        busy += lane_start(&lanes[i], object, &at);
    }
    while (status == PINPIPE_OK && busy > 0) {
        bool is_ended = false;
        for (int32_t i = 0; status == PINPIPE_OK && i < lane_count; i++) {
            if (lanes[i].job.state == PP_S3_JOB_ENDED) {
                status = pp_s3_job_wait(&lanes[i].job, object->s3, err);
                lanes[i].job.state = PP_S3_JOB_IDLE;
                busy -= status < 0 || !lane_start(&lanes[i], object, &at);
                is_ended = true;
            }
        }
        if (status == PINPIPE_OK && busy > 0 && !is_ended) {
            status = pp_s3_jobs_wait(object->s3, err);
        }
    }
    for (int32_t i = 0; i < lane_count; i++) {
        pp_s3_job_reset(&lanes[i].job, object->s3);
    }
    pp_free(lanes);
    return status;
}

/* What has no size yet, or no byte, goes to the caller at the end. */
static pinpipe_status room_end(int64_t *size_bytes, whole *object, pinpipe_error *err) {
    *size_bytes = object->first.total >= 0 ? object->first.total : (int64_t)object->unsized.len;
    pinpipe_status status = room_take(object, *size_bytes, err);
    if (status == PINPIPE_OK && object->unsized.len) {
        memcpy(object->base, object->unsized.ptr, object->unsized.len);
    }
    return status;
}

pinpipe_status pinpipe_s3_object_get_into(int64_t *size_bytes, pinpipe_s3 *s3, pinpipe_s3_name name,
                                          pinpipe_s3_room_fn room, void *user, int64_t max_bytes,
                                          int64_t timeout_ms, pinpipe_error *err) {
    assert(size_bytes && s3 && room);
    *size_bytes = 0;
    if (max_bytes < 0 || timeout_ms < 0) {
        return pp_fail(err, PINPIPE_EINVAL, "%s: %lld", max_bytes < 0 ? "max_bytes" : "timeout_ms",
                       (long long)(max_bytes < 0 ? max_bytes : timeout_ms));
    }
    pinpipe_status status = pp_s3_key_check(name.key, err);
    if (status < 0) {
        return status;
    }
    int64_t max = max_bytes ? max_bytes : (int64_t)PP_BUF_MAX;
    whole object = {.s3 = s3, .name = name, .room = room, .user = user, .max = max};
    object.deadline_ms = pp_clock_monotonic_ms() + (timeout_ms ? timeout_ms : s3->timeout_ms);
    status = first_get(&object, s3->part_bytes - 1, err);
    if (status == PINPIPE_EREFUSED && s3->job.error.native_code == HTTP_RANGE_NOT_SATISFIABLE) {
        status = first_get(&object, -1, err); /* an empty object has no first byte */
    }
    if (status == PINPIPE_OK && object.first.next < object.first.total) {
        status = rest_get(&object, err);
    }
    if (status == PINPIPE_OK) {
        status = room_end(size_bytes, &object, err);
    }
    pinpipe_buf_reset(&object.unsized);
    return status;
}

/* Room in a buffer; its length is set once all has come. */
static char *buffer_room(void *user, int64_t size_bytes) {
    pinpipe_buf *out = user;
    return pp_buf_reserve(out, (size_t)size_bytes, PP_BUF_MAX, NULL) == PINPIPE_OK ? out->ptr : NULL;
}

pinpipe_status pinpipe_s3_object_get(pinpipe_buf *out, pinpipe_s3 *s3, pinpipe_s3_name name,
                                     int64_t max_bytes, int64_t timeout_ms, pinpipe_error *err) {
    assert(out);
    int64_t size_bytes = 0;
    bool smaller = max_bytes < (int64_t)PP_BUF_MAX;
    pp_buf_clear(out);
    pinpipe_status status = pinpipe_s3_object_get_into(&size_bytes, s3, name, buffer_room, out,
                                                       smaller ? max_bytes : 0, timeout_ms, err);
    if (status == PINPIPE_OK) {
        out->len = (size_t)size_bytes;
        out->ptr[out->len] = '\0';
    }
    return status;
}

#endif
