/* Turns a request on streams into the message that its operation sends to Kinesis, cut from the body where it
 * lies. Never stores what the caller did not mean: a record without data, an object as Java prints it. Rules:
 * gateway/operations.def; kinesis/gateway.def has the names; of a key that comes twice the last counts. */
#include "gateway/stream_message.h"

#if PINPIPE_WITH_GATEWAY && PINPIPE_WITH_KINESIS

#include "base/buffer.h"
#include "gateway/answer.h"
#include "kinesis/wire.h"
#include "text/json_value.h"
#include "text/number.h"
#include "text/utf8.h"

#define SHARDS_DEFAULT 5
#define SHARDS_MAX 1000000
#define RECORDS_MAX 500
#define SHARD_BYTES_MAX 128
#define ITERATOR_BYTES_MAX 512
/* Values stand that deep. */
#define BODY_DEPTH 1
#define RECORD_DEPTH 3

/* The tutorial's names are those that this gateway has. */
enum {
#define PP_KINESIS_FORM(name, text, method, before, one, many, data, key, list, item_data, item_key)         \
    FORM_##name,
#include "kinesis/gateway.def"
#undef PP_KINESIS_FORM
};

static const struct {
    const char *data, *key, *list, *item_data, *item_key;
} forms[] = {
#define PP_KINESIS_FORM(name, text, method, before, one, many, data, key, list, item_data, item_key)         \
    {data, key, list, item_data, item_key},
#include "kinesis/gateway.def"
#undef PP_KINESIS_FORM
};

/* One request on its way into a message. */
typedef struct reading {
    pp_gateway_request *request;
    pp_kinesis_writer writer;
    pp_json_walk walk;
    int64_t records;
} reading;

static bool refuse_syntax(reading *in) {
    pp_gateway_refuse_for(
        in->request, PP_GATEWAY_ERROR_BAD_BODY, "Could not parse request body into json: byte %lld: %s",
        (long long)(in->walk.at - in->request->body.ptr), in->walk.fault ? in->walk.fault : "it ends early");
    return false;
}

/* ---- members ---- */

/* The members of a body, of which an empty one has none. */
static bool body_take(pp_json_member *wishes, int count, reading *in) {
    pinpipe_buf *body = &in->request->body;
    if (pp_json_pad(body, NULL) < 0) {
        pp_gateway_refuse(in->request, PP_GATEWAY_ERROR_BUSY, "there is no memory for the body");
        return false;
    }
    in->walk = (pp_json_walk){body->ptr, body->ptr + body->len, NULL, false};
    if (pp_json_walk_ended(&in->walk)) {
        return true;
    }
    if (!pp_json_byte_pass(&in->walk, '{')) {
        if (!pp_json_value_pass(&in->walk, 0) || !pp_json_walk_ended(&in->walk)) {
            return refuse_syntax(in);
        }
        pp_gateway_refuse(in->request, PP_GATEWAY_ERROR_INVALID, "the body is no object");
        return false;
    }
    return (pp_json_members_take(wishes, count, NULL, &in->walk, BODY_DEPTH) &&
            pp_json_walk_ended(&in->walk)) ||
           refuse_syntax(in);
}

static bool is_text(pinpipe_str value) {
    return value.len && *value.ptr == '"';
}

/* ---- what is written ---- */

/* The answer's memory holds what is on its way into the message. */
static char *scratch(reading *in, size_t len) {
    pinpipe_buf *out = &in->request->answer;
    pp_buf_clear(out);
    in->writer.status =
        in->writer.status < 0 ? in->writer.status : pp_buf_reserve(out, len, PP_BUF_MAX, NULL);
    return in->writer.status < 0 ? NULL : out->ptr;
}

static void stream_write(reading *in) {
    pp_kinesis_write_key(&in->writer, "StreamName");
    pp_kinesis_write_text(&in->writer,
                          (pinpipe_str){in->request->route.topic, (size_t)in->request->route.topic_len});
}

/* A text of the body is a text of the message as it stands. */
static void key_write(reading *in, pinpipe_str key) {
    pp_kinesis_write_key(&in->writer, "PartitionKey");
    pp_kinesis_write_value(&in->writer, key);
}

static void data_write(reading *in, const char *bytes, size_t len) {
    pp_kinesis_write_key(&in->writer, "Data");
    pp_kinesis_write_bytes(&in->writer, (pinpipe_str){bytes, len});
}

static bool shards_take(reading *in) {
    pp_json_member shards = {.name = "ShardCount"};
    int64_t count = SHARDS_DEFAULT;
    if (!body_take(&shards, 1, in)) {
        return false;
    }
    bool is_count =
        !shards.text.len || (!is_text(shards.text) && pp_number_i64(&count, shards.text) == PP_NUMBER_OK);
    if (!is_count || count < 1 || count > SHARDS_MAX) {
        pp_gateway_refuse(in->request, PP_GATEWAY_ERROR_INVALID, "ShardCount is no number from 1 on");
        return false;
    }
    pp_kinesis_write_key(&in->writer, "ShardCount");
    pp_kinesis_write_int(&in->writer, count);
    return true;
}

static bool record_take(reading *in) {
    pp_json_member wishes[] = {{.name = forms[FORM_TUTORIAL].data}, {.name = forms[FORM_TUTORIAL].key}};
    if (!body_take(wishes, 2, in)) {
        return false;
    }
    pinpipe_str data = wishes[0].text;
    if (!data.len || !is_text(wishes[1].text)) {
        pp_gateway_refuse_for(in->request, PP_GATEWAY_ERROR_INVALID,
                              data.len ? "%s is missing, or no text"
                                       : "%s is missing: the names count as they are written",
                              wishes[data.len ? 1 : 0].name);
        return false;
    }
    char *compact = scratch(in, data.len);
    data_write(in, compact, compact ? pp_json_compact(compact, data) : 0);
    key_write(in, wishes[1].text);
    in->records = 1;
    return true;
}

/* Its data is text, with or without JSON in it; a template would print an object as Java does: {a=1}. */
static bool item_take(reading *in) {
    pp_json_member wishes[] = {{.name = forms[FORM_TUTORIAL].item_data},
                               {.name = forms[FORM_TUTORIAL].item_key}};
    if (!pp_json_byte_pass(&in->walk, '{')) {
        pp_gateway_refuse_for(in->request, PP_GATEWAY_ERROR_INVALID, "%s: number %lld is no object",
                              forms[FORM_TUTORIAL].list, (long long)in->records + 1);
        return false;
    }
    if (!pp_json_members_take(wishes, 2, NULL, &in->walk, RECORD_DEPTH)) {
        return refuse_syntax(in);
    }
    for (int i = 0; i < 2; i++) {
        if (!is_text(wishes[i].text)) {
            pp_gateway_refuse_for(in->request, PP_GATEWAY_ERROR_INVALID, "%s: %s of number %lld is %s",
                                  forms[FORM_TUTORIAL].list, wishes[i].name, (long long)in->records + 1,
                                  wishes[i].text.len ? "no text: send the JSON as a string" : "missing");
            return false;
        }
    }
    size_t len = wishes[0].text.len - 2;
    char *plain = scratch(in, len);
    if (plain) {
        pp_json_unescape(plain, &len, wishes[0].text.ptr + 1, len);
    }
    pp_kinesis_write_map(&in->writer, 2);
    data_write(in, plain, len);
    key_write(in, wishes[1].text);
    pp_kinesis_write_map_end(&in->writer);
    in->records++;
    return true;
}

static bool records_take(reading *in) {
    pp_json_member list = {.name = forms[FORM_TUTORIAL].list};
    if (!body_take(&list, 1, in)) {
        return false;
    }
    if (list.text.len) {
        in->walk = (pp_json_walk){list.text.ptr, list.text.ptr + list.text.len, NULL, false};
    }
    if (!list.text.len || !pp_json_byte_pass(&in->walk, '[')) {
        pp_gateway_refuse_for(in->request, PP_GATEWAY_ERROR_INVALID, "%s is missing, or no list", list.name);
        return false;
    }
    pp_kinesis_write_key(&in->writer, "Records");
    pp_kinesis_write_list(&in->writer, 0);
    while (pp_json_element_next(&in->walk, in->records)) {
        if (in->records == RECORDS_MAX) {
            pp_gateway_refuse_for(in->request, PP_GATEWAY_ERROR_INVALID, "%s: there are more than %d",
                                  list.name, RECORDS_MAX);
            return false;
        }
        if (!item_take(in)) {
            return false;
        }
    }
    if (in->records == 0) {
        pp_gateway_refuse_for(in->request, PP_GATEWAY_ERROR_INVALID, "%s: there are none", list.name);
        return false;
    }
    pp_kinesis_write_list_end(&in->writer);
    return true;
}

static bool shard_take(reading *in, struct MHD_Connection *handle) {
    const char *given = MHD_lookup_connection_value(handle, MHD_GET_ARGUMENT_KIND, "shard-id");
    char name[SHARD_BYTES_MAX];
    int64_t len = given ? pp_gateway_name_read(name, pp_str(given), sizeof name) : 0;
    if (len == 0) {
        pp_gateway_refuse(in->request, PP_GATEWAY_ERROR_INVALID,
                          "shard-id is missing, or no shard can have it");
        return false;
    }
    pp_kinesis_write_key(&in->writer, "ShardId");
    pp_kinesis_write_text(&in->writer, (pinpipe_str){name, (size_t)len});
    pp_kinesis_write_key(&in->writer, "ShardIteratorType");
    pp_kinesis_write_text(&in->writer, pp_str("TRIM_HORIZON"));
    return true;
}

static bool iterator_take(reading *in, struct MHD_Connection *handle) {
    const char *given = MHD_lookup_connection_value(handle, MHD_HEADER_KIND, "Shard-Iterator");
    pinpipe_str text = pp_str(given ? given : "");
    if (!text.len || text.len > ITERATOR_BYTES_MAX || pp_utf8_span(text.ptr, text.len) < text.len) {
        pp_gateway_refuse(in->request, PP_GATEWAY_ERROR_INVALID,
                          "the header Shard-Iterator is missing, or no iterator");
        return false;
    }
    pp_kinesis_write_key(&in->writer, "ShardIterator");
    pp_kinesis_write_text(&in->writer, text);
    return true;
}

static bool message_write(reading *in, pp_gateway_operation operation, struct MHD_Connection *handle) {
    if (operation != PP_GATEWAY_OPERATION_LIST && operation != PP_GATEWAY_OPERATION_GET_RECORDS) {
        stream_write(in);
    }
    switch (operation) {
    case PP_GATEWAY_OPERATION_CREATE:
        return shards_take(in);
    case PP_GATEWAY_OPERATION_PUT_RECORD:
        return record_take(in);
    case PP_GATEWAY_OPERATION_PUT_RECORDS:
        return records_take(in);
    case PP_GATEWAY_OPERATION_GET_ITERATOR:
        return shard_take(in, handle);
    case PP_GATEWAY_OPERATION_GET_RECORDS:
        return iterator_take(in, handle);
    default:
        return true; /* the stream's name says all, where there is one */
    }
}

bool pp_gateway_stream_message(pinpipe_buf *out, int64_t *records, pp_gateway_connection *connection,
                               pp_gateway_operation operation) {
    pp_gateway_request *request = &connection->request;
    reading in = {.request = request};
    pp_kinesis_write_begin(&in.writer, out, PINPIPE_KINESIS_JSON, 0, NULL);
    if (!message_write(&in, operation, connection->handle)) {
        return false;
    }
    pp_kinesis_write_map_end(&in.writer);
    pp_buf_clear(&request->answer);
    if (in.writer.status < 0) {
        pp_gateway_refuse(
            request, in.writer.status == PINPIPE_ELIMIT ? PP_GATEWAY_ERROR_TOO_LARGE : PP_GATEWAY_ERROR_BUSY,
            "what Kinesis would be sent is too large");
        return false;
    }
    *records = in.records;
    return true;
}

#endif
