/* Turns answers that refuse an operation, and failures below S3, into errors that name what was wanted.
 * Never shows a secret: only names, and what the service said.
 * Rules: docs/s3.md, "Errors". */
#include "s3/client.h"

#if PINPIPE_WITH_S3

#include <string.h>

#include "base/buffer.h"
#include "s3/error.h"

pinpipe_status pp_s3_fail(pinpipe_error *err, const pp_s3_call *call, const pp_http_answer *answer,
                          pinpipe_str document) {
    pp_s3_refusal refusal;
    bool told = pp_s3_refusal_read(&refusal, document);
    pinpipe_status status = pp_s3_status(told ? refusal.code : "", answer->status);
    pinpipe_str key = call->name.key, bucket = call->name.bucket;
    pinpipe_str region =
        refusal.region[0] ? pp_str(refusal.region) : pp_http_header(answer, "x-amz-bucket-region");
    bool elsewhere = answer->status / 100 == 3 || strcmp(refusal.code, "AuthorizationHeaderMalformed") == 0;
    pp_fail_service(err, status, PP_S3_SERVICE, answer->status, "%s s3://%.*s%s%.*s: %s%s%s (HTTP %d)%s%.*s",
                    call->doing, pp_quote_len(bucket.len), bucket.ptr, key.len ? "/" : "",
                    pp_quote_len(key.len), key.len ? key.ptr : "", told ? refusal.code : "refused",
                    told && refusal.message[0] ? ": " : "", told ? refusal.message : "", answer->status,
                    elsewhere && region.len ? "; its region is " : "",
                    elsewhere ? pp_quote_len(region.len) : 0, region.ptr);
    if (err && err->struct_size >= sizeof *err) {
        err->retry_after_ms = pp_retry_after_read(pp_http_header(answer, "Retry-After"));
    }
    return status;
}

pinpipe_status pp_s3_fail_call(pinpipe_error *err, const pp_s3_call *call, const pinpipe_error *cause) {
    pinpipe_str key = call->name.key, bucket = call->name.bucket;
    return pp_fail_service(err, cause->status, cause->service, cause->native_code, "%s s3://%.*s%s%.*s: %s",
                           call->doing, pp_quote_len(bucket.len), bucket.ptr, key.len ? "/" : "",
                           pp_quote_len(key.len), key.len ? key.ptr : "", cause->message);
}

#endif
