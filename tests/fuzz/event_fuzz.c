/* Turns any bytes into messages of an event stream, also with their checksums made right.
 * Never accepts a view beyond its message, or a message whose parts are not the sum of its length.
 * Rules: Smithy, "Amazon Event Stream". */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "aws/event_stream.h"
#include "base/checksum.h"

static int is_inside(pinpipe_str view, pinpipe_str message) {
    return view.len == 0 || (view.ptr >= message.ptr && view.ptr + view.len <= message.ptr + message.len);
}

static void walk(pinpipe_str bytes) {
    pinpipe_status status = PINPIPE_OK;
    while (status == PINPIPE_OK) {
        pp_event event;
        pinpipe_error err = PINPIPE_ERROR_INIT;
        size_t taken = 0;
        status = pp_event_read(&event, &taken, bytes, &err);
        REQUIRE(status == PINPIPE_OK || status == PINPIPE_AGAIN || status == PINPIPE_EDATA);
        REQUIRE((status == PINPIPE_OK) == (taken >= PP_EVENT_LEAST) && taken <= bytes.len);
        if (status == PINPIPE_OK) {
            pinpipe_str message = {bytes.ptr, taken};
            REQUIRE(is_inside(event.kind, message) && is_inside(event.name, message));
            REQUIRE(is_inside(event.detail, message) && is_inside(event.payload, message));
            REQUIRE(event.payload.len <= taken - PP_EVENT_LEAST);
        }
        bytes.ptr += taken;
        bytes.len -= taken;
    }
}

static void u32_put(char *to, uint32_t value) {
    for (int i = 0; i < 4; i++) {
        to[i] = (char)(unsigned char)(value >> (24 - 8 * i));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    walk((pinpipe_str){(const char *)data, size});
    if (size < PP_EVENT_LEAST || size > 65536) {
        return 0;
    }
    char *right = malloc(size); /* its headers are looked at only behind checksums that fit */
    REQUIRE(right);
    memcpy(right, data, size);
    u32_put(right, (uint32_t)size);
    u32_put(right + 4, (uint32_t)(data[4] << 8 | data[5]));
    u32_put(right + 8, pp_crc32(0, right, 8));
    u32_put(right + size - 4, pp_crc32(0, right, size - 4));
    walk((pinpipe_str){right, size});
    free(right);
    return 0;
}
