/* Turns a request that somebody signed, and the key that he says, into a verdict: SigV4, in headers.
 * Never compares a signature up to its first wrong byte.
 * Rules: docs/signing.md; AWS "Create a signed AWS API request". */
#include "aws/verify.h"

#include <string.h>

#include "aws/signer.h"
#include "base/buffer.h"
#include "base/memory.h"
#include "text/time_text.h"

#define ALGORITHM_HEAD PP_SIGN_ALGORITHM " "

struct pp_verifier {
    pp_sha256_run run;
    pp_signing_keys keys;
    pp_pairs headers, query;
    pinpipe_buf canonical, names, scratch, to_sign;
};

pinpipe_status pp_verifier_new(pp_verifier **out, pinpipe_error *err) {
    pp_sha256_road road = pp_sha256_road_choose();
    pp_verifier *made = pp_alloc_zero(sizeof *made);
    *out = NULL;
    if (!made) {
        return pp_fail_memory(err, "a verifier", sizeof *made);
    }
    pinpipe_status status = pp_signing_keys_open(&made->keys, road, err);
    if (status == PINPIPE_OK) {
        status = pp_sha256_open(&made->run, road, err);
    }
    if (status < 0) {
        pp_verifier_free(made);
        return status;
    }
    *out = made;
    return PINPIPE_OK;
}

void pp_verifier_free(pp_verifier *verifier) {
    if (!verifier) {
        return;
    }
    pp_signing_keys_close(&verifier->keys);
    pp_sha256_close(&verifier->run);
    pp_pairs_reset(&verifier->headers);
    pp_pairs_reset(&verifier->query);
    pp_buf_reset_secret(&verifier->canonical); /* a session token may be in it */
    pinpipe_buf_reset(&verifier->names);
    pinpipe_buf_reset(&verifier->scratch);
    pinpipe_buf_reset(&verifier->to_sign);
    pp_free(verifier);
}

/* ---- what the header says ---- */

static bool credential_read(pp_authorization *out, pinpipe_str text) {
    out->key_id = pp_str_take(&text, '/');
    out->date = pp_str_take(&text, '/');
    out->region = pp_str_take(&text, '/');
    out->service = pp_str_take(&text, '/');
    return pp_str_is(text, "aws4_request") && out->key_id.len && out->date.len == PP_DATE_BYTES &&
           pp_scope_part_check("region", out->region, NULL) == PINPIPE_OK &&
           pp_scope_part_check("service", out->service, NULL) == PINPIPE_OK;
}

bool pp_authorization_read(pp_authorization *out, pinpipe_str header) {
    const size_t head = sizeof ALGORITHM_HEAD - 1;
    bool is_whole = header.len > head && memcmp(header.ptr, ALGORITHM_HEAD, head) == 0;
    pinpipe_str rest = is_whole ? (pinpipe_str){header.ptr + head, header.len - head} : (pinpipe_str){"", 0};
    *out = (pp_authorization){0};
    bool has_credential = false;
    while (rest.len) {
        pinpipe_str value = pp_str_take(&rest, ',');
        while (value.len && *value.ptr == ' ') {
            value = (pinpipe_str){value.ptr + 1, value.len - 1};
        }
        pinpipe_str name = pp_str_take(&value, '=');
        if (pp_str_is(name, "Credential")) {
            has_credential = credential_read(out, value);
        } else if (pp_str_is(name, "SignedHeaders")) {
            out->names = value;
        } else if (pp_str_is(name, "Signature")) {
            out->signature = value;
        }
    }
    return has_credential && out->names.len && out->signature.len == PP_SHA256_HEX_BYTES;
}

bool pp_sign_time_read(int64_t *time_s, pinpipe_str text) {
    char long_form[] = "0000-00-00T00:00:00Z";
    int64_t time_us = 0;
    static const int places[PP_TIME_BYTES] = {0, 1, 2, 3, 5, 6, 8, 9, 10, 11, 12, 14, 15, 17, 18, 19};
    if (text.len != PP_TIME_BYTES || text.ptr[8] != 'T' || text.ptr[PP_TIME_BYTES - 1] != 'Z') {
        return false;
    }
    for (int i = 0; i < PP_TIME_BYTES; i++) {
        long_form[places[i]] = text.ptr[i];
    }
    bool is_time = pp_time_parse(&time_us, pp_str(long_form));
    *time_s = time_us / 1000000;
    return is_time;
}

/* ---- what is signed ---- */

static pinpipe_status refused(pinpipe_error *err, const char *why) {
    return pp_fail(err, PINPIPE_EAUTH, "the signature: %s", why);
}

/* The headers that are named, all of their values; the names must be in the signer's order. */
static pinpipe_status headers_collect(pp_verifier *verifier, const pp_signed_request *request,
                                      pinpipe_str names, pinpipe_error *err) {
    size_t bytes = 16;
    if (request->header_count > PP_SIGN_HEADERS_MAX) {
        return pp_fail(err, PINPIPE_ELIMIT, "more than %d headers", PP_SIGN_HEADERS_MAX);
    }
    for (size_t i = 0; i < request->header_count; i++) {
        bytes += request->headers[i].name.len + request->headers[i].value.len;
    }
    pinpipe_status status = pp_pairs_reserve(&verifier->headers, request->header_count + 1, bytes, err);
    pinpipe_str rest = names, before = {"", 0};
    while (rest.len && status == PINPIPE_OK) {
        pinpipe_str name = pp_str_take(&rest, ';');
        if (pp_str_equal(name, before)) {
            return refused(err, "a header is named twice");
        }
        for (size_t i = 0; i < request->header_count; i++) {
            if (pp_str_alike(request->headers[i].name, name)) {
                pp_headers_add(&verifier->headers, request->headers[i]);
            }
        }
        before = name;
    }
    if (status < 0) {
        return status;
    }
    pp_headers_sort(&verifier->headers);
    pp_buf_clear(&verifier->names);
    status = pp_buf_reserve(&verifier->names, pp_pairs_text_max(&verifier->headers) + 1, PP_BUF_MAX, err);
    if (status == PINPIPE_OK) {
        pp_headers_write_names(&verifier->names, &verifier->headers);
        status = pp_str_equal(pp_buf_view(&verifier->names), names)
                     ? PINPIPE_OK
                     : refused(err, "its headers are not those of the request");
    }
    return status;
}

/* What must not be changed on the way. */
static pinpipe_status names_check(const pp_verifier *verifier, const pinpipe_credentials *credentials,
                                  pinpipe_error *err) {
    bool has_host = false, has_date = false, has_token = pinpipe_credentials_token(credentials).len == 0;
    for (size_t i = 0; i < verifier->headers.count; i++) {
        pinpipe_header at = verifier->headers.items[i];
        has_host = has_host || pp_str_is(at.name, "host");
        has_date = has_date || pp_str_is(at.name, "x-amz-date");
        has_token = has_token || (pp_str_is(at.name, "x-amz-security-token") &&
                                  pp_str_equal(at.value, pinpipe_credentials_token(credentials)));
    }
    return has_host && has_date && has_token ? PINPIPE_OK
                                             : refused(err, "host, x-amz-date or the token is not in it");
}

static pinpipe_status query_collect(pp_verifier *verifier, pinpipe_str query, pinpipe_error *err) {
    size_t parameters = 1;
    for (size_t i = 0; i < query.len; i++) {
        parameters += query.ptr[i] == '&' ? 1 : 0;
    }
    pinpipe_status status = pp_pairs_reserve(&verifier->query, parameters, 3 * query.len + 16, err);
    if (status == PINPIPE_OK) {
        status = pp_query_parse(&verifier->query, query, err);
    }
    pp_query_sort(&verifier->query);
    return status;
}

static pinpipe_status hash_write(char out[PP_SHA256_HEX_BYTES + 1], pp_verifier *verifier, pinpipe_str bytes,
                                 pinpipe_error *err) {
    uint8_t digest[PP_SHA256_BYTES];
    pp_sha256_start(&verifier->run);
    pp_sha256_add(&verifier->run, bytes.ptr, bytes.len);
    pinpipe_status status = pp_sha256_end(digest, &verifier->run, err);
    if (status == PINPIPE_OK) {
        pp_hex(out, digest, sizeof digest);
    }
    return status;
}

static pinpipe_status canonical_write(pp_verifier *verifier, const pp_signed_request *request,
                                      pinpipe_str names, pinpipe_error *err) {
    char body_hash[PP_SHA256_HEX_BYTES + 1] = "";
    pinpipe_buf *out = &verifier->canonical;
    size_t bytes = request->method.len + 3 * (request->path.len + 2) + pp_pairs_text_max(&verifier->query) +
                   pp_pairs_text_max(&verifier->headers) + names.len + sizeof body_hash + 16;
    pinpipe_status status = hash_write(body_hash, verifier, request->body, err);
    if (status == PINPIPE_OK) {
        status = pp_buf_renew_secret(out, bytes, err);
    }
    if (status == PINPIPE_OK) {
        pp_put(out, request->method);
        pp_put(out, pp_str("\n"));
        status = pp_canonical_path(out, &verifier->scratch, request->path,
                                   PP_PATH_ENCODE_AGAIN | PP_PATH_NORMALIZE, err);
    }
    if (status == PINPIPE_OK) {
        pp_put(out, pp_str("\n"));
        pp_query_write(out, &verifier->query);
        pp_put(out, pp_str("\n"));
        pp_headers_write(out, &verifier->headers);
        pp_put(out, pp_str("\n"));
        pp_put(out, names);
        pp_put(out, pp_str("\n"));
        pp_put(out, pp_str(body_hash));
    }
    return status;
}

static pinpipe_status signature_write(char out[PP_SHA256_HEX_BYTES + 1], pp_verifier *verifier,
                                      const pp_signed_request *request, const pp_authorization *says,
                                      const pinpipe_credentials *credentials, pinpipe_error *err) {
    char hash[PP_SHA256_HEX_BYTES + 1] = "";
    uint8_t digest[PP_SHA256_BYTES];
    const pp_hmac_key *key = NULL;
    const pp_scope scope = {says->date, says->region, says->service};
    pinpipe_status status = hash_write(hash, verifier, pp_buf_view(&verifier->canonical), err);
    pp_buf_clear(&verifier->to_sign);
    if (status == PINPIPE_OK) {
        status = pp_buf_printf(
            &verifier->to_sign, err, PP_SIGN_ALGORITHM "\n%.*s\n%.*s/%.*s/%.*s/aws4_request\n%s",
            (int)request->time.len, request->time.ptr, (int)says->date.len, says->date.ptr,
            (int)says->region.len, says->region.ptr, (int)says->service.len, says->service.ptr, hash);
    }
    if (status == PINPIPE_OK) {
        status = pp_signing_keys_find(&key, &verifier->keys, credentials, &scope, err);
    }
    if (status == PINPIPE_OK) {
        status = pp_hmac_key_sign(digest, key, pp_buf_view(&verifier->to_sign), err);
    }
    if (status == PINPIPE_OK) {
        pp_hex(out, digest, sizeof digest);
    }
    return status;
}

pinpipe_status pp_request_verify(pp_verifier *verifier, const pp_signed_request *request,
                                 const pp_authorization *says, const pinpipe_credentials *credentials,
                                 pinpipe_error *err) {
    char wanted[PP_SHA256_HEX_BYTES + 1] = "";
    pinpipe_status status = headers_collect(verifier, request, says->names, err);
    if (status == PINPIPE_OK) {
        status = names_check(verifier, credentials, err);
    }
    if (status == PINPIPE_OK) {
        status = query_collect(verifier, request->query, err);
    }
    if (status == PINPIPE_OK) {
        status = canonical_write(verifier, request, says->names, err);
    }
    if (status == PINPIPE_OK) {
        status = signature_write(wanted, verifier, request, says, credentials, err);
    }
    unsigned differs = 0;
    for (size_t i = 0; i < PP_SHA256_HEX_BYTES && status == PINPIPE_OK; i++) {
        differs |= (unsigned char)(wanted[i] ^ says->signature.ptr[i]);
    }
    return status == PINPIPE_OK && differs ? refused(err, "it is not the request's by this key") : status;
}
