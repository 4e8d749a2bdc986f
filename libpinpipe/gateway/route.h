/* Turns the target of a request into what it asks for.
 * Never looks at headers or body.
 * Rules: docs/gateway.md, "Paths"; Confluent REST Proxy API Reference, "API v2". */
#ifndef PP_GATEWAY_ROUTE_H
#define PP_GATEWAY_ROUTE_H

#include <stdbool.h>
#include <stdint.h>

#include "pinpipe/value.h"

/** Longest name of a topic; a longer one is none. */
#define PP_GATEWAY_TOPIC_BYTES_MAX 249
/** Room for the methods of a path. */
#define PP_GATEWAY_ALLOW_BYTES 40

typedef enum pp_gateway_resource {
    PP_GATEWAY_NOTHING, /* no such path */
    PP_GATEWAY_TOPICS,
    PP_GATEWAY_TOPIC,
    PP_GATEWAY_PARTITIONS,
    PP_GATEWAY_PARTITION,
    PP_GATEWAY_OFFSETS, /* of a partition */
    PP_GATEWAY_RECORDS, /* of a topic, by API v3 */
    PP_GATEWAY_BROKERS,
    PP_GATEWAY_HEALTH,
    PP_GATEWAY_METRICS,
    PP_GATEWAY_PAGE,
    PP_GATEWAY_STREAMS,   /* gateway/operations.def */
    PP_GATEWAY_CONSUMERS, /* gateway/consumers.def */
} pp_gateway_resource;

typedef enum pp_gateway_method {
    PP_GATEWAY_GET,
    PP_GATEWAY_HEAD_ONLY,
    PP_GATEWAY_POST,
    PP_GATEWAY_PUT,
    PP_GATEWAY_DELETE,
    PP_GATEWAY_OPTIONS,
    PP_GATEWAY_OTHER_METHOD,
} pp_gateway_method;

typedef enum pp_gateway_format {
    PP_GATEWAY_NO_FORMAT,
    PP_GATEWAY_JSON,
    PP_GATEWAY_BINARY,
    PP_GATEWAY_LINES,  /* a JSON value a line, each a record's value */
    PP_GATEWAY_STREAM, /* records of API v3, one behind the other */
    PP_GATEWAY_TEXT,   /* of a key or value of these: a string's text */
    PP_GATEWAY_PLAIN,  /* application/vnd.kafka.v2+json: no records in it */
    PP_GATEWAY_SCHEMA, /* avro, protobuf, jsonschema: these want a registry */
    PP_GATEWAY_OTHER_FORMAT,
} pp_gateway_format;

typedef struct pp_gateway_paths pp_gateway_paths;

typedef struct pp_gateway_route {
    pp_gateway_resource resource;
    pp_gateway_method method;
    pp_gateway_format format;      /* of the body */
    int64_t partition;             /* -1 = none is named */
    const pp_gateway_paths *paths; /* of streams, of consumers; else NULL */
    uint32_t operations;           /* rows of them: those of all the path's methods, a bit each */
    pinpipe_str stage, cluster, group, instance; /* as they were sent, in the path */
    int64_t topic_len;
    char topic[PP_GATEWAY_TOPIC_BYTES_MAX]; /* or the stream; empty where none can have the name */
} pp_gateway_route;

/** Reads a path as it was sent, without its query. `stages` are first segments that are taken off, parted by
 * commas; empty = any. */
void pp_gateway_route_read(pp_gateway_route *out, pinpipe_str path, pinpipe_str stages);

/** Reads a name of a topic, stream or shard as it stands in a target, at most `most` bytes; returns its
 * length, 0 where it can be none. */
int64_t pp_gateway_name_read(char *out, pinpipe_str part, int64_t most);

/** Whether a list of names, parted by commas, has this one. */
bool pp_gateway_is_listed(pinpipe_str name, pinpipe_str names);

pp_gateway_method pp_gateway_method_of(const char *text);
pp_gateway_format pp_gateway_format_of(pinpipe_str content_type);
/** Whether a header Content-Type is application/json. */
bool pp_gateway_is_json(pinpipe_str content_type);

/** What a header Accept takes: NO_FORMAT = application/vnd.kafka.v2+json, and whatever there is; else the
 * first of the formats of records; OTHER_FORMAT = nothing that a gateway has. */
pp_gateway_format pp_gateway_accepted(pinpipe_str accept);

#endif
