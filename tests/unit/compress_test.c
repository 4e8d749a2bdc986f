/* Turns texts of many lengths into members and frames and back, whole and cut anywhere.
 * Never compares with a level: what comes out must be what went in.
 * Rules: RFC 1952, RFC 8878. */
#include "check.h"

#include <stdlib.h>

#include "base/buffer.h"
#include "base/compress.h"

static pinpipe_status collect(void *user, pinpipe_str bytes, pinpipe_error *err) {
    return pp_buf_append(user, bytes.ptr, bytes.len, err);
}

static void text_fill(char *text, size_t len) {
    uint32_t state = 7;
    for (size_t i = 0; i < len; i++) {
        state = state * 1664525u + 1013904223u;
        text[i] = (char)(i % 97 < 60 ? 'a' + (char)(i % 7) : (char)(state >> 24));
    }
}

static pinpipe_status read_back(pinpipe_buf *out, pp_codec codec, pinpipe_str file, size_t step) {
    pp_expander *expander = NULL;
    pinpipe_status status = pp_expander_new(&expander, codec, NULL);
    for (size_t at = 0; status == PINPIPE_OK && at < file.len; at += step) {
        size_t len = file.len - at < step ? file.len - at : step;
        status = pp_expander_feed(expander, (pinpipe_str){file.ptr + at, len}, collect, out, NULL);
    }
    status = status == PINPIPE_OK ? pp_expander_end(expander, NULL) : status;
    pp_expander_free(expander);
    return status;
}

static void round_trip(pp_codec codec, int32_t level) {
    enum { LEN = 300000 };
    static const size_t pieces[] = {1, 100, 65536, 200000, 34363};
    static const size_t steps[] = {1, 1000, 1 << 20};
    char *text = malloc(LEN);
    pinpipe_buf file = PINPIPE_BUF_INIT;
    pp_compressor *compressor = NULL;
    text_fill(text, LEN);
    CHECK_INT(pp_compressor_new(&compressor, codec, level, NULL), PINPIPE_OK);
    size_t at = 0;
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        CHECK_INT(pp_compressor_encode(&file, compressor, (pinpipe_str){text + at, pieces[i]}, NULL),
                  PINPIPE_OK);
        at += pieces[i];
    }
    CHECK_INT(at, LEN);
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        pinpipe_buf back = PINPIPE_BUF_INIT;
        CHECK_INT(read_back(&back, codec, pp_buf_view(&file), steps[i]), PINPIPE_OK);
        CHECK(pp_str_equal(pp_buf_view(&back), (pinpipe_str){text, LEN}));
        pinpipe_buf_reset(&back);
    }
    pinpipe_buf back = PINPIPE_BUF_INIT;
    pinpipe_str cut = {file.ptr, file.len - 3};
    CHECK_INT(read_back(&back, codec, cut, 4096), PINPIPE_EDATA);
    file.ptr[file.len / 2] = (char)(file.ptr[file.len / 2] ^ 0x55);
    CHECK_INT(read_back(&back, codec, pp_buf_view(&file), 4096), PINPIPE_EDATA);
    pinpipe_buf_reset(&back);
    pinpipe_buf_reset(&file);
    pp_compressor_free(compressor);
    free(text);
}

static void test_refused(void) {
    pp_compressor *compressor = NULL;
    CHECK_INT(pp_compressor_new(&compressor, PP_CODEC_GZIP, 10, NULL), PINPIPE_EINVAL);
    CHECK_INT(pp_compressor_new(&compressor, PP_CODEC_ZSTD, -1, NULL), PINPIPE_EINVAL);
    CHECK_INT(pp_compressor_new(&compressor, PP_CODEC_NONE, 1, NULL), PINPIPE_EINVAL);
    CHECK(compressor == NULL);
}

int main(void) {
    round_trip(PP_CODEC_GZIP, 0);
    round_trip(PP_CODEC_GZIP, 6);
    round_trip(PP_CODEC_ZSTD, 0);
    round_trip(PP_CODEC_ZSTD, 9);
    test_refused();
    return check_report();
}
