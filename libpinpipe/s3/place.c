/* Turns refusals that name a region into what is known of a bucket's place.
 * Never follows a Location header: only the region is believed, and only where it can be one.
 * Rules: Amazon S3 User Guide, "Request redirection and the REST API"; docs/s3.md, "Endpoint and region". */
#include "s3/client.h"

#if PINPIPE_WITH_S3

#include <string.h>

#include "base/buffer.h"

const pp_s3_place *pp_s3_place_find(const pinpipe_s3 *s3, pinpipe_str bucket) {
    for (int32_t i = 0; i < s3->place_count; i++) {
        if (pp_str_is(bucket, s3->places[i].bucket)) {
            return &s3->places[i];
        }
    }
    return NULL;
}

static bool region_is_one(pinpipe_str region) {
    for (size_t i = 0; i < region.len; i++) {
        char byte = region.ptr[i];
        if (!(byte >= 'a' && byte <= 'z') && !(byte >= '0' && byte <= '9') && byte != '-') {
            return false;
        }
    }
    return region.len >= 1 && region.len <= PP_S3_REGION_MAX;
}

static pp_s3_place *place_take(pinpipe_s3 *s3, pinpipe_str bucket) {
    for (int32_t i = 0; i < s3->place_count; i++) {
        if (pp_str_is(bucket, s3->places[i].bucket)) {
            return &s3->places[i];
        }
    }
    int32_t index = s3->place_next;
    s3->place_next = (s3->place_next + 1) % PP_S3_PLACES_MAX;
    s3->place_count += s3->place_count < PP_S3_PLACES_MAX;
    return &s3->places[index];
}

bool pp_s3_place_learn(pinpipe_s3 *s3, pinpipe_str bucket, pinpipe_str region) {
    const pp_s3_place *known = pp_s3_place_find(s3, bucket);
    pinpipe_str now = known ? pp_str(known->region) : pp_buf_view(&s3->region);
    if (!region_is_one(region) || pp_str_equal(region, now) || bucket.len > PP_S3_BUCKET_MAX) {
        return false;
    }
    pp_s3_place *place = place_take(s3, bucket);
    memcpy(place->bucket, bucket.ptr, bucket.len);
    place->bucket[bucket.len] = '\0';
    memcpy(place->region, region.ptr, region.len);
    place->region[region.len] = '\0';
    pp_buf_clear(&place->endpoint);
    return !s3->at_amazon || pp_s3_endpoint_compute(&place->endpoint, s3, place->region, NULL) == PINPIPE_OK;
}

void pp_s3_places_reset(pinpipe_s3 *s3) {
    for (int32_t i = 0; i < PP_S3_PLACES_MAX; i++) {
        pinpipe_buf_reset(&s3->places[i].endpoint);
    }
}

#endif
