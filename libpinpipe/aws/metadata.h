/* Turns the URLs that a container or an instance is asked for its key at into a verdict: may it be asked.
 * Never resolves a name: what it resolves to is checked again when the socket opens (io/guard.h).
 * Rules: docs/credentials.md, "Link-local safety"; botocore's list of container hosts. */
#ifndef PP_AWS_METADATA_H
#define PP_AWS_METADATA_H

#include "base/error.h"
#include "pinpipe/value.h"

/** Which addresses a socket may be opened to. */
typedef enum pp_guard {
    PP_GUARD_NONE = 0,
    PP_GUARD_CONTAINER,     /* http: loopback, 169.254.170.2, 169.254.170.23, fd00:ec2::23 */
    PP_GUARD_CONTAINER_TLS, /* https: anything but link-local and unspecified addresses */
    PP_GUARD_IMDS, /* loopback, 169.254.169.254, fd00:ec2::254, and one literal that was configured */
} pp_guard;

/** Room for an address without brackets and a NUL. */
#define PP_GUARD_LITERAL_BYTES 48

/** Checks AWS_CONTAINER_CREDENTIALS_FULL_URI. Errors: EAUTH it may not be asked, and why. */
pinpipe_status pp_container_url_check(pp_guard *out, pinpipe_str url, pinpipe_error *err);

/** Checks AWS_EC2_METADATA_SERVICE_ENDPOINT; `literal` gets its address where it is one. */
pinpipe_status pp_imds_url_check(char literal[PP_GUARD_LITERAL_BYTES], pinpipe_str url, pinpipe_error *err);

#endif
