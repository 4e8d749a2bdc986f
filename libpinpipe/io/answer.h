/* Turns the answer of an HTTP API, or what came in place of one, into what it means and what to change.
 * Never trusts an answer: it is only compared with rows; what it says is quoted cut, and never with a secret
 * in it. Rules: aws/gateway.def; each service behind the gateway has rows of its own that come first. */
#ifndef PP_IO_ANSWER_H
#define PP_IO_ANSWER_H

#include "base/error.h"
#include "io/http.h"
#include "io/retry.h"

/** Whether a request that was answered so may have been carried out. */
typedef enum pp_answer_seen { PP_ANSWER_NOT = 0, PP_ANSWER_MAYBE = 1 } pp_answer_seen;

/** What one answer means. Zero and "" fit everything; -1 as `code` fits answers without one. */
typedef struct pp_answer_row {
    int32_t http_status;
    int32_t code;     /* of the service's own, in the body */
    const char *text; /* somewhere in the body */
    pinpipe_status status;
    pp_retry_kind kind;
    pp_answer_seen seen;
    const char *says; /* what it means, and what to change */
} pp_answer_row;

/** What is asked of the rows. */
typedef struct pp_answer_query {
    int32_t http_status;
    int32_t code;
    pinpipe_str body;
} pp_answer_query;

/** What the first bytes of a body are. */
typedef enum pp_answer_shape {
    PP_ANSWER_EMPTY = 0,
    PP_ANSWER_JSON,
    PP_ANSWER_PAGE, /* HTML or XML */
    PP_ANSWER_TEXT
} pp_answer_shape;

/** The first of `count` rows that fits; NULL where none does. */
const pp_answer_row *pp_answer_find(const pp_answer_row *rows, size_t count, const pp_answer_query *query);

/** The gateway's own row; NULL where it has none for the HTTP status. */
const pp_answer_row *pp_gateway_find(const pp_answer_query *query);

/** What a request that got no answer means, by libcurl's words; NULL where they say it already. */
const char *pp_answer_lacking(const pinpipe_error *cause);

pp_answer_shape pp_answer_shape_of(pinpipe_str body);

/** True where `part` lies somewhere in `text`; an empty one does. */
bool pp_answer_has(pinpipe_str text, pinpipe_str part);

#endif
