/* Turns path, query and headers of a request into the canonical forms that SigV4 hashes.
 * Never signs.
 * Rules: docs/signing.md, "The canonical request"; AWS "Create a canonical request". */
#ifndef PP_AWS_CANONICAL_H
#define PP_AWS_CANONICAL_H

#include "base/error.h"
#include "pinpipe/sign.h"

#define PP_SIGN_HEADERS_MAX 128
#define PP_SIGN_PARAMETERS_MAX 1000
/** Longest header name or value in bytes. */
#define PP_SIGN_HEADER_MAX 65536

/** Bits of how a path becomes canonical. */
typedef enum pp_path_rule { PP_PATH_PLAIN = 0, PP_PATH_ENCODE_AGAIN = 1, PP_PATH_NORMALIZE = 2 } pp_path_rule;

/** Names and values in the order they will be signed. `bytes` holds what the views point into. */
typedef struct pp_pairs {
    pinpipe_header *items;
    size_t count;
    size_t cap;
    pinpipe_buf bytes;
} pp_pairs;

/** Empties, and makes room for `cap` pairs and `bytes` bytes in all, so that views stay valid while pairs are
 * added. */
pinpipe_status pp_pairs_reserve(pp_pairs *pairs, size_t cap, size_t bytes, pinpipe_error *err);
void pp_pairs_reset(pp_pairs *pairs);

/** Appends the canonical path; `scratch` is overwritten. */
pinpipe_status pp_canonical_path(pinpipe_buf *out, pinpipe_buf *scratch, pinpipe_str path, int rules,
                                 pinpipe_error *err);

/** Adds one parameter, both parts encoded; room was reserved. */
pinpipe_status pp_query_add(pp_pairs *query, pinpipe_header parameter, pinpipe_error *err);

/** Adds the parameters of a raw query; a '+' is a blank. Errors: EINVAL a parameter of the signer's own. */
pinpipe_status pp_query_parse(pp_pairs *query, pinpipe_str text, pinpipe_error *err);

/** Sorts by name, then value. */
void pp_query_sort(pp_pairs *query);

/** Errors: EINVAL a name that is no token, a control character in a value, a header of the signer's own. */
pinpipe_status pp_header_check(pinpipe_header header, pinpipe_error *err);

/** True for headers that proxies and clients change, so that a signature must not cover them. */
bool pp_header_never_signed(pinpipe_str name);

/** Adds a header with lower-case name, blanks trimmed and folded; room was reserved. */
void pp_headers_add(pp_pairs *headers, pinpipe_header header);

/** Adds a header that is canonical already, or that is kept as it is; room was reserved. */
void pp_headers_add_plain(pp_pairs *headers, pinpipe_header header);

/** Sorts by name; those of one name keep the order they were added in. */
void pp_headers_sort(pp_pairs *headers);

/** Bytes that the three writers below append at most. */
size_t pp_pairs_text_max(const pp_pairs *pairs);

/** Appends "name=value&…"; room was reserved. */
void pp_query_write(pinpipe_buf *out, const pp_pairs *query);

/** Appends "name:value\n" lines, repeated names joined with ','; room was reserved. */
void pp_headers_write(pinpipe_buf *out, const pp_pairs *headers);

/** Appends "name;name"; room was reserved. */
void pp_headers_write_names(pinpipe_buf *out, const pp_pairs *headers);

/** Appends bytes where room was reserved; nothing terminates them until the buffer is complete. */
void pp_put(pinpipe_buf *out, pinpipe_str bytes);

#endif
