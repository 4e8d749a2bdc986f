/* Turns an answer that refuses a request into a status and the service's own words.
 * Never trusts the answer: texts are cut, and what is not S3's XML is ignored.
 * Rules: s3/error.def. */
#include "s3/error.h"

#if PINPIPE_WITH_S3

#include <stdio.h>
#include <string.h>

#include "aws/xml.h"
#include "base/buffer.h"

typedef struct code_row {
    const char *code;
    pinpipe_status status;
} code_row;

typedef struct http_row {
    int32_t http_status;
    pinpipe_status status;
} http_row;

static const code_row code_rows[] = {
#define PP_S3_ERROR(code, status) {code, status},
#include "s3/error.def"
#undef PP_S3_ERROR
};

static const http_row http_rows[] = {
#define PP_S3_HTTP(http_status, status) {http_status, status},
#include "s3/error.def"
#undef PP_S3_HTTP
};

static const http_row nameless_rows[] = {
#define PP_S3_NAMELESS(http_status, status) {http_status, status},
#include "s3/error.def"
#undef PP_S3_NAMELESS
};

pinpipe_status pp_s3_status(const char *code, int32_t http_status) {
    for (size_t i = 0; !code[0] && i < sizeof nameless_rows / sizeof nameless_rows[0]; i++) {
        if (nameless_rows[i].http_status == http_status) {
            return nameless_rows[i].status;
        }
    }
    for (size_t i = 0; i < sizeof code_rows / sizeof code_rows[0]; i++) {
        if (strcmp(code_rows[i].code, code) == 0) {
            return code_rows[i].status;
        }
    }
    for (size_t i = 0; i < sizeof http_rows / sizeof http_rows[0]; i++) {
        if (http_rows[i].http_status == http_status) {
            return http_rows[i].status;
        }
    }
    return http_status >= 500 ? PINPIPE_ESERVICE : PINPIPE_EREFUSED;
}

static pinpipe_status refusal_element(pinpipe_str path, pinpipe_str text, void *user, pinpipe_error *err) {
    pp_s3_refusal *refusal = user;
    (void)err;
    const struct {
        const char *path;
        char *out;
        size_t size;
    } parts[] = {{"Error/Code", refusal->code, sizeof refusal->code},
                 {"Error/Message", refusal->message, sizeof refusal->message},
                 {"Error/Region", refusal->region, sizeof refusal->region}};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (pp_str_is(path, parts[i].path)) {
            snprintf(parts[i].out, parts[i].size, "%.*s", (int)text.len, text.ptr ? text.ptr : "");
        }
    }
    return PINPIPE_OK;
}

bool pp_s3_refusal_read(pp_s3_refusal *out, pinpipe_str document) {
    *out = (pp_s3_refusal){0};
    bool whole = document.len > 0 && pp_xml_walk(document, refusal_element, out, NULL) == PINPIPE_OK;
    return whole && out->code[0] != '\0';
}

#endif
