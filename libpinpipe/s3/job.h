/* One call on a store while it is under way, with its attempts, pauses and detours.
 * Never keeps anything of a failed attempt but what has safely arrived of a range.
 * Rules: docs/s3.md, "Retries". */
#ifndef PP_S3_JOB_H
#define PP_S3_JOB_H

#include "io/flight.h"
#include "io/retry.h"
#include "pinpipe/s3.h"

#define PP_S3_JOB_HEADERS 24
#define PP_S3_ETAG_BYTES 128
/** Base64 of 8 bytes and a NUL. */
#define PP_S3_CHECKSUM_BYTES 16

/** Takes the next bytes of an object; `offset` is theirs in the object. A negative status ends the call. */
typedef pinpipe_status (*pp_s3_take)(void *user, int64_t offset, pinpipe_str bytes, pinpipe_error *err);

/** A part of an object on its way, whatever happens to connections meanwhile. */
typedef struct pp_s3_range {
    int64_t first, last;         /* wanted, both included; last -1 = to the end, without a Range header */
    int64_t next;                /* offset of the next byte to take */
    int64_t total;               /* of the object; -1 = not known yet */
    char etag[PP_S3_ETAG_BYTES]; /* pins what is read; "" until an answer told it */
    pp_s3_take take;
    void *user;
} pp_s3_range;

typedef enum pp_s3_sse { PP_S3_SSE_NONE = 0, PP_S3_SSE_WRITE = 1 } pp_s3_sse;

/** One operation. `query` is encoded; `headers` are beyond those of the client and the signature. */
typedef struct pp_s3_call {
    const char *method;
    const char *doing;    /* for errors: "get", "put", … */
    pinpipe_s3_name name; /* empty key: the bucket itself */
    const char *query;    /* "" = none */
    const pinpipe_header *headers;
    size_t header_count;
    pinpipe_str body;
    pinpipe_buf *out; /* takes a document; an <Error> in it is a refusal whatever the HTTP status */
    size_t out_max;
    pp_s3_range *range;  /* takes an object in place of `out` */
    pp_s3_sse sse;       /* whether the client's encryption is asked for */
    bool is_object;      /* the body is an object's: the client's checksum goes with it */
    bool is_conditional; /* another answer than the first would be taken for the first's */
} pp_s3_call;

typedef enum pp_s3_job_state {
    PP_S3_JOB_IDLE = 0,
    PP_S3_JOB_UNDER_WAY = 1,
    PP_S3_JOB_PAUSING = 2,
    PP_S3_JOB_ENDED = 3
} pp_s3_job_state;

/** The caller's: zeroed at first, and in its place with all that the call points to until it has ended. */
typedef struct pp_s3_job {
    struct pp_s3_job *after, *before; /* in the client's list */
    pp_s3_call call;
    pp_flight_request wire;
    pinpipe_header headers[PP_S3_JOB_HEADERS];
    char range_text[64];
    char checksum[PP_S3_CHECKSUM_BYTES]; /* what goes with the body, once it is known */
    pinpipe_chunk_writer *writer;        /* frames the attempt's body where its checksum is a trailer */
    pinpipe_str unsent;                  /* of the body, not yet framed */
    pinpipe_buf url;
    int64_t deadline_ms, resume_ms;
    int64_t began; /* of a range: where this attempt went on */
    int64_t at;    /* offset of the attempt's next byte, taken or passed over */
    bool is_head_read;
    bool is_asking;           /* the attempt asks for the object's checksum */
    pinpipe_checksum told_of; /* of a whole object that comes: what the store keeps of it; NONE = nothing */
    char told[PP_S3_CHECKSUM_BYTES];
    uint64_t crc; /* of what has come */
    pp_retry_call tries;
    pinpipe_credentials *key; /* what the last attempt was signed with */
    int64_t applied_ms;       /* and its correction of the clock */
    int64_t begun_ms;
    bool is_renewed, is_corrected; /* key or clock, each once a call */
    int32_t number;                /* of the attempt, from 1 */
    bool is_redirected;
    bool is_unanswered; /* an attempt ended without an answer: it may have been served */
    pp_s3_job_state state;
    pinpipe_status status; /* once it has ended */
    pinpipe_error error;
} pp_s3_job;

/** Begins a call; `call` is copied, what it points to is not. A failure to begin is the job's end, too. */
void pp_s3_job_start(pp_s3_job *job, pinpipe_s3 *s3, const pp_s3_call *call, int64_t timeout_ms);

/** Moves every job of the client until one has ended. At least one is under way or pausing.
 * Errors: those of the flight; then no job has moved. */
pinpipe_status pp_s3_jobs_wait(pinpipe_s3 *s3, pinpipe_error *err);

/** Moves every job until this one has ended; its outcome. */
pinpipe_status pp_s3_job_wait(pp_s3_job *job, pinpipe_s3 *s3, pinpipe_error *err);

/** Gives up the call where it is under way. */
void pp_s3_job_stop(pp_s3_job *job, pinpipe_s3 *s3);

/** Stops and frees what the job holds, not the job. */
void pp_s3_job_reset(pp_s3_job *job, pinpipe_s3 *s3);

/** True where the checksum of a call's body goes behind it, in a trailer. */
bool pp_s3_trailer_is_due(const pinpipe_s3 *s3, const pp_s3_call *call);

/** Sets what the signature says of such a body. */
void pp_s3_trailer_options(pinpipe_sign_options *out, const pinpipe_s3 *s3, const pp_s3_call *call);

/** Makes the body of the request that the client's signer has just signed. */
pinpipe_status pp_s3_trailer_begin(pp_s3_job *job, const pinpipe_s3 *s3, const pinpipe_signature *signature,
                                   pinpipe_error *err);

/** Keeps the checksum of a body that has arrived; frees what framed it. */
void pp_s3_trailer_end(pp_s3_job *job, const pinpipe_s3 *s3);

/** Range and If-Match of the attempt: how many headers were written. */
size_t pp_s3_range_headers(pinpipe_header *out, pp_s3_job *job);

/** Takes bytes of an answer; pp_http_take for a job with a range. */
pinpipe_status pp_s3_range_take(void *job, pinpipe_str bytes, pinpipe_error *err);

/** Looks whether all that was wanted has come, as the store keeps it; else it is to come anew.
 * Errors: ENET it has not; those of the answer's head. */
pinpipe_status pp_s3_range_end(pp_s3_job *job, pinpipe_error *err);

#endif
