/* Turns the text of a JSON value into a walk over its parts, or into its end.
 * Never builds a tree, never allocates, never accepts what RFC 8259 refuses.
 * Rules: RFC 8259; nesting is bounded. */
#ifndef PP_TEXT_JSON_VALUE_H
#define PP_TEXT_JSON_VALUE_H

#include "base/error.h"
#include "text/json_string.h"

/** Deepest nesting. */
#define PP_JSON_DEPTH_MAX 128

/** A place in a text. At `end` stands a control byte, or every string before it is known to be closed;
 * PP_JSON_PADDING bytes beyond are readable. After a step that failed, `at` is where it did. */
typedef struct pp_json_walk {
    const char *at;
    const char *end;
    const char *fault; /* why the step failed; static text */
    bool is_utf8;      /* the fault is one of UTF-8 or of surrogates */
    char *out; /* where what is passed is written without blanks, text as UTF-8; at most as many bytes.
                  NULL = nowhere */
} pp_json_walk;

/** Passes blanks; true where `byte` follows, which is passed too. */
bool pp_json_byte_pass(pp_json_walk *walk, char byte);

/** Passes the value that follows, and blanks before it. `depth` is that of what it stands in, from 0. */
bool pp_json_value_pass(pp_json_walk *walk, int32_t depth);

/** Passes the string that follows, and blanks before it; `inside` is what its quotes hold, escapes and all.
 */
bool pp_json_string_pass(pp_json_walk *walk, pinpipe_str *inside);

/** Passes what is left of a string whose quote and beginning were passed. */
bool pp_json_string_rest_pass(pp_json_walk *walk, pinpipe_str *inside);

/** Steps to the next member of an object whose '{' (for the first) or whose last value (for the others) was
 * passed: true with its key and `at` before its value; false behind the '}', or at a fault. */
bool pp_json_member_next(pp_json_walk *walk, pinpipe_str *key, int64_t index);

/** The same of an array: true with `at` before its value. */
bool pp_json_element_next(pp_json_walk *walk, int64_t index);

/** A member whose value is wanted. */
typedef struct pp_json_member {
    const char *name;
    pinpipe_str text; /* its value as it lies there; stays empty where it is missing */
} pp_json_member;

/** Finds the values of an object whose '{' was passed; of a name that comes twice the last counts. `other`,
 * unless it is NULL, is the first name that is none of these, if there is one. False at a fault; where the
 * text ends behind a name, `fault` is NULL. */
bool pp_json_members_take(pp_json_member *members, int count, pinpipe_str *other, pp_json_walk *walk,
                          int32_t depth);

/** Writes a value that a walk has passed as a walk with `out` does; returns the bytes written, at most as
 * many as the value has. Bytes behind it are read as a walk reads them. */
size_t pp_json_compact(char *out, pinpipe_str value);

/** True where nothing but blanks follows. */
bool pp_json_walk_ended(pp_json_walk *walk);

/** Whether a text is one JSON value; it stands in memory as a walk wants it, and `what` names it.
 * Errors: EDATA, with the byte where it ends to be one. */
pinpipe_status pp_json_value_check(pinpipe_str text, const char *what, pinpipe_error *err);

/** Puts NULs behind a text, which a walk may read. Errors: ENOMEM. */
pinpipe_status pp_json_pad(pinpipe_buf *text, pinpipe_error *err);

#endif
