/* Turns the parts of an access key into a shared, immutable handle.
 * Never reads the environment or a file: io/ brings the bytes.
 * Rules: docs/credentials.md. */
#ifndef PP_AWS_CREDENTIALS_H
#define PP_AWS_CREDENTIALS_H

#include "pinpipe/credentials.h"

/** Longest part of a key in bytes; session tokens are a few KiB. */
#define PP_CREDENTIALS_PART_MAX 16384
/** Longest CSV file of the console in bytes. */
#define PP_CREDENTIALS_CSV_MAX 65536

/** Where a key came from. */
typedef struct pp_credentials_source {
    const char *name; /* static text */
    pinpipe_str text; /* its particulars in one line; empty = the name */
} pp_credentials_source;

/** pinpipe_credentials_new with the place the key came from. */
pinpipe_status pp_credentials_new(pinpipe_credentials **out, const pinpipe_credentials_options *parts,
                                  pp_credentials_source source, pinpipe_error *err);

/** The same for parts that somebody else wrote: what EINVAL would refuse is `refused`, with the place before
 * the text. */
pinpipe_status pp_credentials_take(pinpipe_credentials **out, const pinpipe_credentials_options *parts,
                                   pp_credentials_source source, pinpipe_status refused, pinpipe_error *err);

/** Shares the handle: both owners free it. */
pinpipe_credentials *pp_credentials_retain(const pinpipe_credentials *credentials);

#endif
