/* Turns an object's bytes into an aws-chunked body that ends with their checksum, while they are sent.
 * Never reads a byte twice in one attempt, and never frames what a header can tell as cheaply.
 * Rules: docs/s3.md, "Integrity"; S3 API Reference, "Checking object integrity". */
#include "s3/client.h"

#if PINPIPE_WITH_S3

#include "aws/chunks.h"

/* Unsigned chunks may be any size: fewer of them are less to read for the store. */
#define UNSIGNED_CHUNK_BYTES (1 << 20)

bool pp_s3_trailer_is_due(const pinpipe_s3 *s3, const pp_s3_call *call) {
    return call->is_object && s3->checksum != PINPIPE_CHECKSUM_NONE && call->body.len >= PP_S3_LARGE_FROM;
}

void pp_s3_trailer_options(pinpipe_sign_options *out, const pinpipe_s3 *s3, const pp_s3_call *call) {
    bool is_signed = !s3->is_https || s3->payload == PINPIPE_S3_PAYLOAD_SIGNED;
    out->payload =
        is_signed ? PINPIPE_PAYLOAD_STREAMING_SIGNED_TRAILER : PINPIPE_PAYLOAD_STREAMING_UNSIGNED_TRAILER;
    out->decoded_bytes = (int64_t)call->body.len;
    out->chunk_bytes = is_signed ? 0 : UNSIGNED_CHUNK_BYTES;
    out->checksum = s3->checksum;
}

static pinpipe_status body_give(size_t *len, void *user, char *out, size_t cap, pinpipe_error *err) {
    pp_s3_job *job = user;
    pinpipe_chunk_step step = PINPIPE_CHUNK_STEP_INIT;
    step.in = job->unsent;
    step.out = out;
    step.out_cap = (int64_t)cap;
    pinpipe_status status = pinpipe_chunk_writer_write(&step, job->writer, err);
    job->unsent = step.in;
    *len = (size_t)step.out_len;
    return status < 0 ? status : PINPIPE_OK;
}

static void body_rewind(void *user) {
    pp_s3_job *job = user;
    job->unsent = job->call.body;
    pp_chunk_writer_rewind(job->writer);
}

pinpipe_status pp_s3_trailer_begin(pp_s3_job *job, const pinpipe_s3 *s3, const pinpipe_signature *signature,
                                   pinpipe_error *err) {
    pinpipe_chunk_writer_free(job->writer);
    job->writer = NULL;
    job->unsent = job->call.body;
    job->wire.http.source = (pp_http_source){.give = body_give,
                                             .rewind = body_rewind,
                                             .user = job,
                                             .size_bytes = pinpipe_signature_body_bytes(signature)};
    return pinpipe_chunk_writer_new(&job->writer, s3->signer, err);
}

void pp_s3_trailer_end(pp_s3_job *job, const pinpipe_s3 *s3) {
    if (job->writer && job->status == PINPIPE_OK) {
        pp_s3_checksum_text(job->checksum, s3->checksum, pp_chunk_writer_crc(job->writer));
    }
    pinpipe_chunk_writer_free(job->writer);
    job->writer = NULL;
}

#endif
