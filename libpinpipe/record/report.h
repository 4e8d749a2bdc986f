/* The inside of a report: hits by rule, and the records that could not be read.
 * Never loses a reject: a report that is full makes its caller fail.
 * Rules: CONTRACT §4, "Rejected". */
#ifndef PP_RECORD_REPORT_H
#define PP_RECORD_REPORT_H

#include "base/buffer.h"
#include "pinpipe/batch.h"
#include "record/dirty_values.h"
#include "schema/schema.h"

/** Bytes of a record that a reject keeps. */
#define PP_REJECT_DATA_MAX ((size_t)64 * 1024)

typedef struct pp_reject {
    int64_t record_index;
    int64_t byte_offset;
    int64_t data_bytes;
    size_t reason_start; /* into the report's bytes */
    size_t reason_len;
    size_t data_len; /* follows the reason */
    size_t source_start;
    size_t source_len; /* 0: the input has no name */
} pp_reject;

struct pinpipe_report {
    int32_t record;
    int32_t shape;
    int64_t records;
    int64_t rejected;
    int64_t dropped;
    int64_t hits[PP_RULES_MAX];
    pp_dirty_values dirty;
    pinpipe_buf bytes;
    pinpipe_buf rejects; /* of pp_reject */
};

/** Keeps one record that could not be read. `data_bytes` is the whole record's length, `data` its kept
 * beginning. Errors: ENOMEM, ELIMIT. */
pinpipe_status pp_report_reject(pinpipe_report *report, const pp_rule *rule, int64_t record_index,
                                int64_t byte_offset, pinpipe_str data, int64_t data_bytes, const char *detail,
                                pinpipe_error *err);

/** Adds to the reason of the last reject what else is known of it; nothing was told of its source yet.
 * Errors: ENOMEM, ELIMIT. */
pinpipe_status pp_report_explain(pinpipe_report *report, const char *text, pinpipe_error *err);

/** Says where the rejects from number `first` on came from; no reject more, no other text. Errors: ENOMEM,
 * ELIMIT. */
pinpipe_status pp_report_source(pinpipe_report *report, int64_t first, pinpipe_str source,
                                pinpipe_error *err);

/** Adds the counts and rejects of `other`, whose input began `byte_offset` bytes into this report's and
 * behind all of its records. Errors: ENOMEM, ELIMIT, and this report is as before. */
pinpipe_status pp_report_join(pinpipe_report *report, const pinpipe_report *other, int64_t byte_offset,
                              pinpipe_error *err);

#endif
