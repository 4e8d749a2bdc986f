/* Turns bytes into percent-encoded text and back, and a URL into its parts.
 * Never resolves a name and never changes the case of a path.
 * Rules: RFC 3986; SigV4's set of unreserved characters is A-Z a-z 0-9 - . _ ~. */
#ifndef PP_AWS_URI_H
#define PP_AWS_URI_H

#include "base/error.h"
#include "pinpipe/value.h"

/** Longest URL in bytes, beyond what any AWS service takes. */
#define PP_URL_MAX 65536

/** Views into one URL. */
typedef struct pp_url {
    pinpipe_str scheme;    /* "http" or "https", in the case it was given */
    pinpipe_str authority; /* host and port */
    pinpipe_str path;      /* begins with '/', or is empty */
    pinpipe_str query;     /* without the '?' */
} pp_url;

typedef enum pp_uri_slash { PP_SLASH_ENCODED = 0, PP_SLASH_KEPT = 1 } pp_uri_slash;
typedef enum pp_uri_plus { PP_PLUS_KEPT = 0, PP_PLUS_IS_BLANK = 1 } pp_uri_plus;

/** Errors: EINVAL another scheme than http(s), no host, user information, a fragment, a control character. */
pinpipe_status pp_url_split(pp_url *out, pinpipe_str url, pinpipe_error *err);

bool pp_url_is_https(const pp_url *url);

/** Appends the value of the Host header: lower-case, without the scheme's default port. */
pinpipe_status pp_url_host(pinpipe_buf *out, const pp_url *url, pinpipe_error *err);

/** Appends an endpoint: scheme, host as it will be signed (so that signature and Host header agree whatever
 * the case it was written in), and the path without '/' at its end.
 *
 * @param host_len  where the length of scheme and host goes; NULL = nobody asks
 *
 * Errors: EINVAL as pp_url_split, or a query; the message names the endpoint. */
pinpipe_status pp_url_endpoint(pinpipe_buf *out, size_t *host_len, pinpipe_str text, pinpipe_error *err);

/** Appends `bytes` with everything but the unreserved characters (and '/', if kept) as %XX. */
pinpipe_status pp_uri_encode(pinpipe_buf *out, pinpipe_str bytes, pp_uri_slash slash, pinpipe_error *err);

/** Appends the bytes that `text` stands for; a '%' that begins no escape stands for itself. */
pinpipe_status pp_uri_decode(pinpipe_buf *out, pinpipe_str text, pp_uri_plus plus, pinpipe_error *err);

/** Decodes and encodes in one step: the one spelling of what `text` stands for. */
pinpipe_status pp_uri_encode_again(pinpipe_buf *out, pinpipe_str text, pp_uri_slash slash, pp_uri_plus plus,
                                   pinpipe_error *err);

#endif
