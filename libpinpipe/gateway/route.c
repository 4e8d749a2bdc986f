/* Turns the target of a request into what it asks for.
 * Never takes a path for another that only looks alike.
 * Rules: docs/gateway.md, "Paths"; RFC 3986 §2.1 (escapes), RFC 9110 §8.3, §12.5.1 (media types). */
#include "gateway/route.h"

#if PINPIPE_WITH_GATEWAY

#include <string.h>

#include "base/buffer.h"
#include "gateway/consumer_paths.h"
#include "gateway/operations.h"
#include "text/number.h"

/* stage, consumers, group, instances, instance, positions, end, and one more that is too many */
#define SEGMENTS_MAX 8

#define STREAM_BYTES_MAX 128

typedef struct path_parts {
    pinpipe_str part[SEGMENTS_MAX];
    int count;
} path_parts;

static const char *const roots[] = {"topics",  "brokers",   "healthz", "metrics",
                                    "streams", "consumers", "status",  "v3"};

static bool is_root(pinpipe_str part) {
    bool is_one = false;
    for (size_t i = 0; i < sizeof roots / sizeof roots[0]; i++) {
        is_one = is_one || pp_str_is(part, roots[i]);
    }
    return is_one;
}

/* One '/' at the end is passed over. */
static void path_split(path_parts *out, pinpipe_str path) {
    const char *at = path.ptr, *end = path.ptr + path.len;
    out->count = 0;
    while (at < end && *at == '/' && out->count < SEGMENTS_MAX) {
        const char *from = ++at;
        const char *slash = memchr(from, '/', (size_t)(end - from));
        at = slash ? slash : end;
        if (at > from || at < end) {
            out->part[out->count++] = (pinpipe_str){from, (size_t)(at - from)};
        }
    }
}

bool pp_gateway_is_listed(pinpipe_str name, pinpipe_str names) {
    bool is_one = false;
    while (names.len && !is_one) {
        is_one = pp_str_equal(name, pp_str_take(&names, ','));
    }
    return is_one;
}

static bool stage_is_taken(pinpipe_str stage, pinpipe_str stages) {
    return stages.len == 0 || pp_gateway_is_listed(stage, stages);
}

static int hex_digit(char byte) {
    return byte >= '0' && byte <= '9'   ? byte - '0'
           : byte >= 'a' && byte <= 'f' ? byte - 'a' + 10
           : byte >= 'A' && byte <= 'F' ? byte - 'A' + 10
                                        : -1;
}

static bool is_name_byte(char byte) {
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') ||
           byte == '.' || byte == '_' || byte == '-';
}

int64_t pp_gateway_name_read(char *out, pinpipe_str part, int64_t most) {
    int64_t len = 0;
    bool is_name = true;
    for (size_t i = 0; i < part.len && is_name; i++) {
        char byte = part.ptr[i];
        if (byte == '%' && part.len - i > 2 && hex_digit(part.ptr[i + 1]) >= 0 &&
            hex_digit(part.ptr[i + 2]) >= 0) {
            byte = (char)(hex_digit(part.ptr[i + 1]) * 16 + hex_digit(part.ptr[i + 2]));
            i += 2;
        }
        is_name = is_name_byte(byte) && len < most;
        if (is_name) {
            out[len++] = byte;
        }
    }
    return is_name ? len : 0;
}

static void topics_read(pp_gateway_route *out, const pinpipe_str *part, int count) {
    if (count > 1) {
        out->topic_len = pp_gateway_name_read(out->topic, part[1], sizeof out->topic);
    }
    bool has_partitions = count > 2 && pp_str_is(part[2], "partitions");
    int64_t number = -1;
    bool has_number = count >= 4 && pp_number_i64(&number, part[3]) == PP_NUMBER_OK && number >= 0;
    if (count == 1) {
        out->resource = PP_GATEWAY_TOPICS;
    } else if (count == 2) {
        out->resource = PP_GATEWAY_TOPIC;
    } else if (has_partitions && count == 3) {
        out->resource = PP_GATEWAY_PARTITIONS;
    } else if (has_partitions && has_number &&
               (count == 4 || (count == 5 && pp_str_is(part[4], "offsets")))) {
        out->resource = count == 4 ? PP_GATEWAY_PARTITION : PP_GATEWAY_OFFSETS;
        out->partition = number;
    }
}

/* /v3/clusters/{any}/topics/{topic}/records: a gateway has one cluster, whatever it is called. */
static void v3_read(pp_gateway_route *out, const pinpipe_str *part, int count) {
    if (pp_gateway_path_fits("/v3/clusters/{cluster}/topics/{topic}/records", part, count)) {
        out->resource = PP_GATEWAY_RECORDS;
        out->cluster = part[2];
        out->topic_len = pp_gateway_name_read(out->topic, part[4], sizeof out->topic);
    }
}

static void rows_read(pp_gateway_route *out, const pp_gateway_paths *paths, pp_gateway_resource resource,
                      const pinpipe_str *part, int count) {
    out->paths = paths;
    out->operations = pp_gateway_paths_find(paths, part, count);
    out->resource = out->operations ? resource : PP_GATEWAY_NOTHING;
}

static void streams_read(pp_gateway_route *out, const pinpipe_str *part, int count) {
    rows_read(out, &pp_gateway_stream_paths, PP_GATEWAY_STREAMS, part, count);
    if (count > 1) {
        out->topic_len = pp_gateway_name_read(out->topic, part[1], STREAM_BYTES_MAX);
    }
}

static void consumers_read(pp_gateway_route *out, const pinpipe_str *part, int count) {
    rows_read(out, &pp_gateway_consumer_paths, PP_GATEWAY_CONSUMERS, part, count);
    out->group = count > 1 ? part[1] : (pinpipe_str){"", 0};
    out->instance = count > 3 ? part[3] : (pinpipe_str){"", 0};
}

void pp_gateway_route_read(pp_gateway_route *out, pinpipe_str path, pinpipe_str stages) {
    path_parts parts = {.count = 0};
    out->resource = PP_GATEWAY_NOTHING;
    out->partition = -1;
    out->paths = NULL;
    out->operations = 0;
    out->topic_len = 0;
    out->stage = out->cluster = (pinpipe_str){"", 0};
    path_split(&parts, path);
    const pinpipe_str *part = parts.part;
    int count = parts.count;
    if (count > 1 && !is_root(part[0]) && is_root(part[1]) && stage_is_taken(part[0], stages)) {
        out->stage = *part++;
        count--;
    }
    if (count && pp_str_is(part[0], "topics")) {
        topics_read(out, part, count);
    } else if (count && pp_str_is(part[0], "streams")) {
        streams_read(out, part, count);
    } else if (count && pp_str_is(part[0], "v3")) {
        v3_read(out, part, count);
    } else if (count && pp_str_is(part[0], "consumers")) {
        consumers_read(out, part, count);
    } else if (count == 1 && pp_str_is(part[0], "brokers")) {
        out->resource = PP_GATEWAY_BROKERS;
    } else if (count == 1 && pp_str_is(part[0], "healthz")) {
        out->resource = PP_GATEWAY_HEALTH;
    } else if (count == 1 && pp_str_is(part[0], "metrics")) {
        out->resource = PP_GATEWAY_METRICS;
    } else if (count == 1 && pp_str_is(part[0], "status")) {
        out->resource = PP_GATEWAY_PAGE;
    }
}

pp_gateway_method pp_gateway_method_of(const char *text) {
    static const struct {
        const char *text;
        pp_gateway_method method;
    } rows[] = {{"POST", PP_GATEWAY_POST}, {"GET", PP_GATEWAY_GET},       {"HEAD", PP_GATEWAY_HEAD_ONLY},
                {"PUT", PP_GATEWAY_PUT},   {"DELETE", PP_GATEWAY_DELETE}, {"OPTIONS", PP_GATEWAY_OPTIONS}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (strcmp(text, rows[i].text) == 0) {
            return rows[i].method;
        }
    }
    return PP_GATEWAY_OTHER_METHOD;
}

/* "type/subtype" of what may have parameters behind it, blanks off. */
static pinpipe_str media_type(pinpipe_str text) {
    const char *semicolon = text.len ? memchr(text.ptr, ';', text.len) : NULL;
    text.len = semicolon ? (size_t)(semicolon - text.ptr) : text.len;
    while (text.len && (*text.ptr == ' ' || *text.ptr == '\t')) {
        text.ptr++;
        text.len--;
    }
    while (text.len && (text.ptr[text.len - 1] == ' ' || text.ptr[text.len - 1] == '\t')) {
        text.len--;
    }
    return text;
}

pp_gateway_format pp_gateway_format_of(pinpipe_str content_type) {
    static const struct {
        const char *name;
        pp_gateway_format format;
    } rows[] = {
        {"application/vnd.kafka.json.v2+json", PP_GATEWAY_JSON},
        {"application/vnd.kafka.binary.v2+json", PP_GATEWAY_BINARY},
        {"application/x-ndjson", PP_GATEWAY_LINES},
        {"application/vnd.kafka.v2+json", PP_GATEWAY_PLAIN},
        {"application/vnd.kafka.avro.v2+json", PP_GATEWAY_SCHEMA},
        {"application/vnd.kafka.protobuf.v2+json", PP_GATEWAY_SCHEMA},
        {"application/vnd.kafka.jsonschema.v2+json", PP_GATEWAY_SCHEMA},
    };
    pinpipe_str type = media_type(content_type);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (pp_str_alike(type, pp_str(rows[i].name))) {
            return rows[i].format;
        }
    }
    return PP_GATEWAY_OTHER_FORMAT;
}

bool pp_gateway_is_json(pinpipe_str content_type) {
    return pp_str_alike(media_type(content_type), pp_str("application/json"));
}

pp_gateway_format pp_gateway_accepted(pinpipe_str accept) {
    static const char *const names[] = {"*/*", "application/*", "application/vnd.kafka.v2+json",
                                        "application/vnd.kafka+json", "application/json"};
    pp_gateway_format found = media_type(accept).len ? PP_GATEWAY_OTHER_FORMAT : PP_GATEWAY_NO_FORMAT;
    while (accept.len && found == PP_GATEWAY_OTHER_FORMAT) {
        pinpipe_str type = media_type(pp_str_take(&accept, ','));
        pp_gateway_format format = pp_gateway_format_of(type);
        found = format == PP_GATEWAY_LINES ? PP_GATEWAY_OTHER_FORMAT : format;
        for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
            found = pp_str_alike(type, pp_str(names[i])) ? PP_GATEWAY_NO_FORMAT : found;
        }
    }
    return found;
}

#endif
