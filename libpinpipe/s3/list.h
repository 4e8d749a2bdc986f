/* Lets a reader ask for the next page of a list before it needs it.
 * Never has more than one page under way.
 * Rules: Amazon S3 API Reference, ListObjectsV2. */
#ifndef PP_S3_LIST_H
#define PP_S3_LIST_H

#include "s3/client.h"

/** Asks for the next page and does not wait; pinpipe_s3_list_next does. DONE: there is none. */
pinpipe_status pp_s3_list_start(pinpipe_s3_list *list, int64_t timeout_ms, pinpipe_error *err);

/** True when the page that was asked for has come, or has failed. */
bool pp_s3_list_is_ready(const pinpipe_s3_list *list);

/** Makes a document that has come the list's page. Errors: EDATA no list; what an <Error> says. */
pinpipe_status pp_s3_list_read(pinpipe_s3_list *list, pinpipe_str document, pinpipe_error *err);

#endif
