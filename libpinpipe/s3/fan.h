/* One list as a row of branches and single objects, in the order of their keys' bytes.
 * Never begins more branches than may be under way, nor any where pages of their own would be nearly empty.
 * Rules: docs/s3.md, "Lists". */
#ifndef PP_S3_FAN_H
#define PP_S3_FAN_H

#include "s3/branch.h"

#define PP_S3_FAN_MAX 16

/** What a level of the tree of prefixes says of the rest of a list. */
typedef enum pp_s3_level {
    PP_S3_LEVEL_NONE = 0,  /* not worth more requests */
    PP_S3_LEVEL_BELOW = 1, /* all of it is below one prefix: look there */
    PP_S3_LEVEL_FAN = 2
} pp_s3_level;

/** A run of objects of the level, or a branch below one of its prefixes. */
typedef struct pp_s3_limb {
    pp_s3_branch *branch; /* NULL: a run */
    int64_t from, to;     /* of the run */
} pp_s3_limb;

/** Starts zeroed. */
typedef struct pp_s3_fan {
    pp_s3_page level;                /* what is left to list, cut at the next '/' */
    int64_t at;                      /* of it, the first entry without a limb */
    pinpipe_buf behind;              /* the last key that was listed before */
    pp_s3_limb limbs[PP_S3_FAN_MAX]; /* a ring */
    int32_t first, count;
} pp_s3_fan;

/** True where the keys of a page lie below few enough prefixes of `prefix` that each of them fills pages. */
bool pp_s3_fan_is_worth(const pp_s3_page *page, pinpipe_str prefix);

/** Takes a level, with the last key listed so far, and says what it is good for; BELOW: `*below` is the one
 * prefix, borrowed from the fan. */
pp_s3_level pp_s3_fan_judge(pinpipe_str *below, pp_s3_fan *fan, pp_s3_page *level, pinpipe_str behind);

/** Begins limbs up to `in_flight` and moves them all. DONE: all is listed.
 * Errors: those of the first limb. */
pinpipe_status pp_s3_fan_move(pp_s3_fan *fan, pp_s3_listing *listing, int32_t in_flight, pinpipe_error *err);

/** True when the first limb has a page. */
bool pp_s3_fan_is_ready(const pp_s3_fan *fan);

/** Exchanges `out` for the next page. */
pinpipe_status pp_s3_fan_take(pp_s3_page *out, pp_s3_fan *fan, int64_t page_max, pinpipe_error *err);

void pp_s3_fan_reset(pp_s3_fan *fan, pinpipe_s3 *s3);

#endif
