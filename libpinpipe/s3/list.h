/* Lets a reader ask for the next page of a list before it needs it.
 * Never has more requests under way than the list's option says.
 * Rules: docs/s3.md, "Lists"; Amazon S3 API Reference, ListObjectsV2. */
#ifndef PP_S3_LIST_H
#define PP_S3_LIST_H

#include "s3/branch.h"

/** Asks for what comes next and does not wait; pinpipe_s3_list_next does. DONE: there is none. */
pinpipe_status pp_s3_list_start(pinpipe_s3_list *list, int64_t timeout_ms, pinpipe_error *err);

/** True when pinpipe_s3_list_next would not wait: a page has come, or a request has failed. */
bool pp_s3_list_is_ready(const pinpipe_s3_list *list);

/** Makes a document that has come the list's page. Errors: EDATA no list; what an <Error> says. */
pinpipe_status pp_s3_list_read(pinpipe_s3_list *list, pinpipe_str document, pinpipe_error *err);

#endif
