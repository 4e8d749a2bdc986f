/* Turns what a caller asks the signer for into a verdict that names the datum.
 * Never signs.
 * Rules: docs/signing.md, "What is refused". */
#ifndef PP_AWS_SIGN_CHECK_H
#define PP_AWS_SIGN_CHECK_H

#include "base/error.h"
#include "pinpipe/sign.h"

#define PP_SCOPE_PART_MAX 64
#define PP_METHOD_MAX 64

/** A region or service: 1 to 64 letters, digits and '-'. `name` is what the error calls it. */
pinpipe_status pp_scope_part_check(const char *name, pinpipe_str part, pinpipe_error *err);
pinpipe_status pp_sign_options_check(const pinpipe_sign_options *options, pinpipe_error *err);
pinpipe_status pp_sign_request_check(const pinpipe_sign_request *request, pinpipe_error *err);

#endif
