/* Turns what a caller asks the signer for into a verdict that names the datum.
 * Never signs.
 * Rules: docs/signing.md, "What is refused". */
#include "aws/sign_check.h"

#include "aws/canonical.h"
#include "aws/chunks.h"

#define EXPIRES_MAX_S 604800
#define TIME_MAX_S INT64_C(253402300799) /* the last second of year 9999 */

pinpipe_status pp_scope_part_check(const char *name, pinpipe_str part, pinpipe_error *err) {
    if (!part.len || part.len > PP_SCOPE_PART_MAX) {
        return pp_fail(err, PINPIPE_EINVAL, "%s: %zu bytes, not 1 to %d", name, part.len, PP_SCOPE_PART_MAX);
    }
    for (size_t i = 0; i < part.len; i++) {
        char byte = part.ptr[i];
        bool letter = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
        if (!letter && !(byte >= '0' && byte <= '9') && byte != '-') {
            return pp_fail(err, PINPIPE_EINVAL, "%s '%.*s': only letters, digits and '-' are allowed", name,
                           pp_quote_len(part.len), part.ptr);
        }
    }
    return PINPIPE_OK;
}

static pinpipe_status method_check(pinpipe_str method, pinpipe_error *err) {
    if (!method.len || method.len > PP_METHOD_MAX) {
        return pp_fail(err, PINPIPE_EINVAL, "method: %zu bytes, not 1 to %d", method.len, PP_METHOD_MAX);
    }
    for (size_t i = 0; i < method.len; i++) {
        if (method.ptr[i] < 'A' || method.ptr[i] > 'Z') {
            return pp_fail(err, PINPIPE_EINVAL, "method '%.*s': only the letters A to Z are allowed",
                           pp_quote_len(method.len), method.ptr);
        }
    }
    return PINPIPE_OK;
}

static bool switch_known(int32_t value) {
    return value >= PINPIPE_SWITCH_SERVICE && value <= PINPIPE_SWITCH_OFF;
}

static pinpipe_status time_check(const pinpipe_sign_options *options, pinpipe_error *err) {
    if (options->time_s < 1 || options->time_s > TIME_MAX_S) {
        return pp_fail(err, PINPIPE_EINVAL, "time: %lld s is not within the years 1970 to 9999",
                       (long long)options->time_s);
    }
    bool expiry_valid = options->expires_s >= 1 && options->expires_s <= EXPIRES_MAX_S;
    if (options->form == PINPIPE_SIGN_QUERY ? !expiry_valid : options->expires_s != 0) {
        return pp_fail(err, PINPIPE_EINVAL,
                       "expiry: %lld s; a presigned URL lives 1 to %d s, a header has none",
                       (long long)options->expires_s, EXPIRES_MAX_S);
    }
    return PINPIPE_OK;
}

pinpipe_status pp_sign_options_check(const pinpipe_sign_options *options, pinpipe_error *err) {
    if (!options || options->struct_size < sizeof *options) {
        return pp_fail(err, PINPIPE_EINVAL, "sign options lack their struct_size");
    }
    if (options->form != PINPIPE_SIGN_HEADER && options->form != PINPIPE_SIGN_QUERY) {
        return pp_fail(err, PINPIPE_EINVAL, "form: %d is no place for a signature", options->form);
    }
    if (options->payload < PINPIPE_PAYLOAD_SERVICE ||
        options->payload > PINPIPE_PAYLOAD_STREAMING_UNSIGNED_TRAILER) {
        return pp_fail(err, PINPIPE_EINVAL, "payload: %d is no payload mode", options->payload);
    }
    if (!switch_known(options->double_encode) || !switch_known(options->normalize) ||
        !switch_known(options->sign_token)) {
        return pp_fail(err, PINPIPE_EINVAL, "double_encode, normalize and sign_token are 0, 1 or 2");
    }
    pinpipe_status status = time_check(options, err);
    if (status == PINPIPE_OK) {
        status = pp_scope_part_check("service", options->service, err);
    }
    if (status == PINPIPE_OK) {
        status = pp_scope_part_check("region", options->region, err);
    }
    return status == PINPIPE_OK ? pp_streaming_check(options, err) : status;
}

pinpipe_status pp_sign_request_check(const pinpipe_sign_request *request, pinpipe_error *err) {
    if (!request || request->struct_size < sizeof *request) {
        return pp_fail(err, PINPIPE_EINVAL, "the request lacks its struct_size");
    }
    if (request->header_count < 0 || request->header_count > PP_SIGN_HEADERS_MAX) {
        return pp_fail(err, request->header_count < 0 ? PINPIPE_EINVAL : PINPIPE_ELIMIT,
                       "headers: %lld of them, not 0 to %d", (long long)request->header_count,
                       PP_SIGN_HEADERS_MAX);
    }
    pinpipe_status status = method_check(request->method, err);
    for (int64_t i = 0; status == PINPIPE_OK && i < request->header_count; i++) {
        status = pp_header_check(request->headers[i], err);
    }
    return status;
}
