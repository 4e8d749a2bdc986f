/* Turns one S3 client into another of the same place.
 * Never shares a connection: the copy belongs to another thread.
 * Rules: docs/s3.md, "Connections". */
#ifndef PP_S3_COPY_H
#define PP_S3_COPY_H

#include "pinpipe/s3.h"

/** A client of the same place with the same options and key provider; nothing else is shared. Errors: as
 * pinpipe_s3_new. */
pinpipe_status pp_s3_copy(pinpipe_s3 **out, const pinpipe_s3 *s3, pinpipe_error *err);

#endif
