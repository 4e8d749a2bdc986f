/* What the parts of the Kinesis client share: its state, one call under way, what is said of a refusal.
 * Never shows a secret in an error.
 * Rules: docs/kinesis.md. */
#ifndef PP_KINESIS_CLIENT_H
#define PP_KINESIS_CLIENT_H

#include "io/api.h"
#include "kinesis/gateway.h"
#include "kinesis/shards.h"
#include "kinesis/wire.h"
#include "pinpipe/kinesis.h"

#define PP_KINESIS_SERVICE "kinesis"
#define PP_KINESIS_CODE_BYTES 64
#define PP_KINESIS_TARGET_BYTES 64
/** A stream's name has 128 bytes, its ARN a few more. */
#define PP_KINESIS_STREAM_MAX 2048
#define PP_KINESIS_RECORD_MAX ((size_t)10 << 20)
#define PP_KINESIS_KEY_MAX 256
#define PP_KINESIS_SEQUENCE_MAX 128
/** Largest answer in bytes: 10 MiB of data as base64, with what stands around 10,000 records. */
#define PP_KINESIS_ANSWER_MAX ((size_t)24 << 20)

typedef enum pp_kinesis_call_state {
    PP_KINESIS_CALL_IDLE = 0,
    PP_KINESIS_CALL_UNDER_WAY = 1,
    PP_KINESIS_CALL_PAUSING = 2,
    PP_KINESIS_CALL_ENDED = 3
} pp_kinesis_call_state;

/** Who sends a call again that failed in a way that may pass. */
typedef enum pp_kinesis_again { PP_KINESIS_AGAIN_CALL = 0, PP_KINESIS_AGAIN_CALLER = 1 } pp_kinesis_again;

/** One operation, with its attempts. The owner's: zeroed at first, and in its place while it is under way. */
typedef struct pp_kinesis_call {
    pp_api_attempt attempt;
    char target[PP_KINESIS_TARGET_BYTES];
    const char *operation; /* "PutRecords"; static text */
    pp_kinesis_again again;
    pinpipe_str about;  /* the stream, for errors; borrowed */
    pinpipe_buf body;   /* what is sent: written before the start */
    pinpipe_buf answer; /* what a 2xx answer brought */
    size_t answer_max;  /* its largest size; 0 = PP_KINESIS_ANSWER_MAX */
    pp_http_answering answering;
    int64_t deadline_ms, resume_ms;
    pp_kinesis_call_state state;
    pinpipe_kinesis_wire wire;        /* of the body */
    int64_t sent;                     /* records in it */
    pinpipe_status status;            /* once it has ended */
    pp_retry_kind kind;               /* of its failure */
    char code[PP_KINESIS_CODE_BYTES]; /* of the refusal; "" = none */
    pinpipe_error error;
} pp_kinesis_call;

struct pinpipe_kinesis {
    int32_t owners; /* the caller, and what was made of the client */
    pp_api *api;
    pinpipe_provider *provider; /* NULL = a gateway that wants no signature */
    pp_gateway gateway;
    pinpipe_kinesis_wire wire; /* of the next message */
    bool is_wire_known;        /* an answer came in it, or it is the only one */
    int64_t timeout_ms;
    pp_kinesis_call call; /* of the calls that wait */
    pinpipe_buf names;    /* of streams, a NUL behind each */
    int64_t *name_at;
    int64_t name_count;
    pp_kinesis_shards shards; /* of the last list */
};

/** What a client is opened for: Kinesis itself, or a gateway before one stream. */
typedef struct pp_kinesis_place_options {
    const pinpipe_kinesis_options *client;
    const pinpipe_kinesis_gateway *gateway; /* NULL: Kinesis itself */
    pinpipe_str stream;                     /* the gateway's */
} pp_kinesis_place_options;

/** Makes a client, as pinpipe_kinesis_new. */
pinpipe_status pp_kinesis_open(pinpipe_kinesis **out, const pp_kinesis_place_options *options,
                               pinpipe_error *err);

/** Shares the client: both owners free it. */
pinpipe_kinesis *pp_kinesis_retain(pinpipe_kinesis *kinesis);

/** Begins what was written to `call->body`. A failure to begin is the call's end, too. */
void pp_kinesis_call_start(pp_kinesis_call *call, pinpipe_kinesis *kinesis, const char *operation,
                           int64_t deadline_ms);

/** Takes an answer that has come, or begins the next attempt; true where the call has just ended. */
bool pp_kinesis_call_move(pp_kinesis_call *call, pinpipe_kinesis *kinesis);

/** When the call wants to be moved though nothing came; INT64_MAX = never. */
int64_t pp_kinesis_call_due_ms(const pp_kinesis_call *call);

/** Stops and frees what the call holds, not the call. */
void pp_kinesis_call_reset(pp_kinesis_call *call, pinpipe_kinesis *kinesis);

/** Begins the client's own call about a stream: a map of `count` members to write. Errors: EINVAL the stream.
 */
pinpipe_status pp_kinesis_call_write(pp_kinesis_writer *writer, pinpipe_kinesis *kinesis, pinpipe_str stream,
                                     int64_t count, pinpipe_error *err);

/** Sends the client's own call and waits for it; OK: its answer is ready to be read. */
pinpipe_status pp_kinesis_send(pp_kinesis_reader *reader, pinpipe_kinesis *kinesis,
                               const pp_kinesis_writer *writer, const char *operation, int64_t deadline_ms,
                               pinpipe_error *err);

/** The same where the answer says nothing that is wanted. */
pinpipe_status pp_kinesis_tell(pinpipe_kinesis *kinesis, const pp_kinesis_writer *writer,
                               const char *operation, int64_t deadline_ms, pinpipe_error *err);

/** Errors: EINVAL empty, or beyond PP_KINESIS_STREAM_MAX. */
pinpipe_status pp_kinesis_stream_check(pinpipe_str stream, pinpipe_error *err);

/** Writes StreamName, or StreamARN where it is one. */
void pp_kinesis_write_stream(pp_kinesis_writer *writer, pinpipe_str stream);

/** Writes the only member of a ListShards request, and its end: the stream, or the token of a further page.
 */
void pp_kinesis_write_page(pp_kinesis_writer *writer, pinpipe_str stream, pinpipe_str token);

/** The end of a call that may take `timeout_ms`, or the client's own. Errors: EINVAL a negative one. */
pinpipe_status pp_kinesis_deadline(int64_t *deadline_ms, const pinpipe_kinesis *kinesis, int64_t timeout_ms,
                                   pinpipe_error *err);

/** Waits until a stream is ACTIVE. `is_there`: it was seen. Errors: ETIMEOUT; ENOTFOUND it is not there. */
pinpipe_status pp_kinesis_stream_wait(pinpipe_kinesis *kinesis, pinpipe_str stream, int64_t deadline_ms,
                                      pinpipe_error *err);

/** The code in "com.amazonaws.kinesis#Code" and "Code:http://…". */
pinpipe_str pp_kinesis_code_of(pinpipe_str name);

/** The status of an error code. */
pinpipe_status pp_kinesis_status(pinpipe_str code, int32_t http_status);

#endif
