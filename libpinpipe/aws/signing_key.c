/* Turns an access key, a day, a region and a service into the key that signs, kept for the next request.
 * Never leaves a step of the derivation in memory.
 * Rules: AWS "Create a signed AWS API request", step 4; reference/signing.md §6. */
#include "aws/signing_key.h"

#include <assert.h>
#include <string.h>

#include "aws/credentials.h"
#include "base/buffer.h"
#include "base/memory.h"

bool pp_credentials_equal(const pinpipe_credentials *a, const pinpipe_credentials *b) {
    return a == b || (pp_str_equal(pinpipe_credentials_key_id(a), pinpipe_credentials_key_id(b)) &&
                      pp_str_equal(pinpipe_credentials_secret(a), pinpipe_credentials_secret(b)) &&
                      pp_str_equal(pinpipe_credentials_token(a), pinpipe_credentials_token(b)));
}

pinpipe_status pp_signing_keys_open(pp_signing_keys *keys, pp_sha256_road road, pinpipe_error *err) {
    memset(keys, 0, sizeof *keys);
    pinpipe_status status = pp_hmac_key_open(&keys->step, road, err);
    for (size_t i = 0; status == PINPIPE_OK && i < PP_SIGNING_KEYS; i++) {
        status = pp_hmac_key_open(&keys->rows[i].key, road, err);
    }
    return status;
}

void pp_signing_keys_close(pp_signing_keys *keys) {
    for (size_t i = 0; i < PP_SIGNING_KEYS; i++) {
        pinpipe_credentials_free(keys->rows[i].credentials);
        pp_hmac_key_close(&keys->rows[i].key);
    }
    pp_hmac_key_close(&keys->step);
    memset(keys, 0, sizeof *keys);
}

static bool row_is(const pp_signing_key *row, const pinpipe_credentials *credentials, const pp_scope *scope) {
    const char *region = row->text + PP_DATE_BYTES, *service = region + row->region_len;
    return row->credentials && memcmp(row->text, scope->date.ptr, PP_DATE_BYTES) == 0 &&
           pp_str_equal((pinpipe_str){region, row->region_len}, scope->region) &&
           pp_str_equal((pinpipe_str){service, row->service_len}, scope->service) &&
           pp_credentials_equal(row->credentials, credentials);
}

static pinpipe_status row_derive(pp_signing_key *row, pp_hmac_key *step,
                                 const pinpipe_credentials *credentials, const pp_scope *scope,
                                 pinpipe_error *err) {
    static const char last[] = "aws4_request";
    const pinpipe_str messages[] = {scope->date, scope->region, scope->service, {last, sizeof last - 1}};
    const pinpipe_str none = {NULL, 0};
    uint8_t mac[PP_SHA256_BYTES];
    pinpipe_status status =
        pp_hmac_key_set(step, pp_str("AWS4"), pinpipe_credentials_secret(credentials), err);
    for (size_t i = 0; status == PINPIPE_OK && i < sizeof messages / sizeof messages[0]; i++) {
        bool is_last = i + 1 == sizeof messages / sizeof messages[0];
        status = pp_hmac_key_sign(mac, step, messages[i], err);
        if (status == PINPIPE_OK) {
            pinpipe_str secret = {(const char *)mac, sizeof mac};
            status = pp_hmac_key_set(is_last ? &row->key : step, none, secret, err);
        }
    }
    pp_wipe(mac, sizeof mac);
    return status;
}

pinpipe_status pp_signing_keys_find(const pp_hmac_key **out, pp_signing_keys *keys,
                                    const pinpipe_credentials *credentials, const pp_scope *scope,
                                    pinpipe_error *err) {
    assert(scope->date.len == PP_DATE_BYTES);
    assert(scope->region.len <= PP_SCOPE_PART_MAX && scope->service.len <= PP_SCOPE_PART_MAX);
    for (size_t i = 0; i < PP_SIGNING_KEYS; i++) {
        if (row_is(&keys->rows[i], credentials, scope)) {
            *out = &keys->rows[i].key;
            return PINPIPE_OK;
        }
    }
    pp_signing_key *row = &keys->rows[keys->next];
    pinpipe_credentials_free(row->credentials);
    row->credentials = NULL;
    pinpipe_status status = row_derive(row, &keys->step, credentials, scope, err);
    if (status < 0) {
        return status;
    }
    keys->next = (keys->next + 1) % PP_SIGNING_KEYS;
    row->credentials = pp_credentials_retain(credentials);
    row->region_len = scope->region.len;
    row->service_len = scope->service.len;
    memcpy(row->text, scope->date.ptr, PP_DATE_BYTES);
    memcpy(row->text + PP_DATE_BYTES, scope->region.ptr, scope->region.len);
    memcpy(row->text + PP_DATE_BYTES + scope->region.len, scope->service.ptr, scope->service.len);
    *out = &row->key;
    return PINPIPE_OK;
}
