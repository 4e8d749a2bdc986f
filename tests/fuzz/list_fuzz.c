/* Turns any bytes into a page of ListObjectsV2, and into what an error document says.
 * Never accepts a page without a key's bytes, a refusal without a reason, or a page that counts what it has
 * not. Rules: Amazon S3 API Reference, ListObjectsV2; the whole input is the document. */
#include "fuzz.h"

#include "base/buffer.h"
#include "s3/error.h"
#include "s3/list.h"

static void page_look(const pinpipe_s3_list *list) {
    size_t seen = 0;
    for (int64_t i = 0; i < pinpipe_s3_list_count(list); i++) {
        pinpipe_s3_object object = pinpipe_s3_list_at(list, i);
        REQUIRE(object.key.len > 0 && object.size_bytes >= 0);
        for (size_t at = 0; at < object.key.len; at++) {
            seen += (unsigned char)object.key.ptr[at];
        }
        for (size_t at = 0; at < object.etag.len; at++) {
            seen += (unsigned char)object.etag.ptr[at];
        }
    }
    REQUIRE(seen < SIZE_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    pinpipe_str document = {(const char *)data, size};
    pinpipe_credentials *key = NULL;
    pinpipe_s3 *s3 = NULL;
    pinpipe_s3_list *list = NULL;
    pp_s3_refusal refusal;
    pinpipe_credentials_options parts = PINPIPE_CREDENTIALS_OPTIONS_INIT;
    parts.access_key_id = pp_str("AKID");
    parts.secret_access_key = pp_str("secret");
    REQUIRE(pinpipe_credentials_new(&key, &parts, NULL) == PINPIPE_OK);
    pinpipe_s3_options client = PINPIPE_S3_OPTIONS_INIT;
    client.credentials = key;
    client.endpoint = pp_str("http://127.0.0.1:9");
    REQUIRE(pinpipe_s3_new(&s3, &client, NULL) == PINPIPE_OK);
    pinpipe_s3_list_options options = PINPIPE_S3_LIST_OPTIONS_INIT;
    options.bucket = pp_str("bucket");
    REQUIRE(pinpipe_s3_list_new(&list, s3, &options, NULL) == PINPIPE_OK);
    for (int round = 0; round < 2; round++) {
        pinpipe_error err = PINPIPE_ERROR_INIT;
        pinpipe_status status = pp_s3_list_read(list, document, &err);
        REQUIRE(status == PINPIPE_OK ? err.message[0] == '\0' : status < 0 && err.message[0] != '\0');
        REQUIRE(status == PINPIPE_OK || pinpipe_s3_list_count(list) == 0);
        page_look(list);
    }
    REQUIRE(!pp_s3_refusal_read(&refusal, document) || refusal.code[0] != '\0');
    pinpipe_s3_list_free(list);
    pinpipe_s3_free(s3);
    pinpipe_credentials_free(key);
    return 0;
}
