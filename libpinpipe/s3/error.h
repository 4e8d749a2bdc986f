/* Turns an answer that refuses a request into a status and the service's own words.
 * Never trusts the answer: what is not S3's XML is reported by its HTTP status alone.
 * Rules: s3/error.def. */
#ifndef PP_S3_ERROR_H
#define PP_S3_ERROR_H

#include "base/error.h"
#include "pinpipe/value.h"

#define PP_S3_CODE_BYTES 64
#define PP_S3_TEXT_BYTES 256

/** HTTP statuses of a conditional request; an S3 error's native_code is its answer's. */
#define PP_S3_CONFLICT 409
#define PP_S3_PRECONDITION_FAILED 412

/** What an <Error> document says; "" for what it lacks. */
typedef struct pp_s3_refusal {
    char code[PP_S3_CODE_BYTES];
    char message[PP_S3_TEXT_BYTES];
    char region[PP_S3_CODE_BYTES];
} pp_s3_refusal;

/** Reads `document`; false when it is no <Error> document. */
bool pp_s3_refusal_read(pp_s3_refusal *out, pinpipe_str document);

/** The status for a code, or for an HTTP status where the code is unknown or empty. */
pinpipe_status pp_s3_status(const char *code, int32_t http_status);

#endif
