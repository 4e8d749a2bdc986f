/* Turns a signature into the parts that a caller reads.
 * Never copies them: they live as long as it does.
 * Rules: pinpipe/sign.h. */
#include <assert.h>

#include "aws/signer.h"
#include "base/buffer.h"
#include "base/memory.h"

void pinpipe_signature_free(pinpipe_signature *signature) {
    if (signature) {
        /* The token may be in each of them. */
        pp_buf_reset_secret(&signature->url);
        pp_buf_reset_secret(&signature->canonical_request);
        pinpipe_buf_reset(&signature->string_to_sign);
        pp_pairs_reset(&signature->headers);
        pp_free(signature);
    }
}

pinpipe_str pinpipe_signature_url(const pinpipe_signature *signature) {
    return pp_buf_view(&signature->url);
}

int64_t pinpipe_signature_header_count(const pinpipe_signature *signature) {
    return (int64_t)signature->headers.count;
}

pinpipe_header pinpipe_signature_header_at(const pinpipe_signature *signature, int64_t index) {
    assert(index >= 0 && (size_t)index < signature->headers.count);
    return signature->headers.items[index];
}

pinpipe_str pinpipe_signature_canonical_request(const pinpipe_signature *signature) {
    return pp_buf_view(&signature->canonical_request);
}

pinpipe_str pinpipe_signature_string_to_sign(const pinpipe_signature *signature) {
    return pp_buf_view(&signature->string_to_sign);
}

pinpipe_str pinpipe_signature_text(const pinpipe_signature *signature) {
    return (pinpipe_str){signature->text, PP_SHA256_HEX_BYTES};
}

int64_t pinpipe_signature_body_bytes(const pinpipe_signature *signature) {
    return signature->body_bytes;
}
