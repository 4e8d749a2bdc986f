/* Turns heads of CBOR items into bytes, and bytes into a walk over the items.
 * Never builds a tree, never allocates; writes the shortest head only.
 * Rules: RFC 8949; texts and bytes in pieces are refused, nesting is bounded. */
#ifndef PP_TEXT_CBOR_H
#define PP_TEXT_CBOR_H

#include <stdbool.h>
#include <stdint.h>

#include "pinpipe/value.h"

#define PP_CBOR_HEAD_MAX 9
/** Deepest nesting. */
#define PP_CBOR_DEPTH_MAX 128

typedef enum pp_cbor_major {
    PP_CBOR_UINT = 0,
    PP_CBOR_NEGATIVE = 1,
    PP_CBOR_BYTES = 2,
    PP_CBOR_TEXT = 3,
    PP_CBOR_ARRAY = 4,
    PP_CBOR_MAP = 5,
    PP_CBOR_TAG = 6,
    PP_CBOR_SIMPLE = 7
} pp_cbor_major;

/** Two of the values of PP_CBOR_SIMPLE. */
#define PP_CBOR_SIMPLE_TRUE 21
#define PP_CBOR_SIMPLE_NULL 22

/** A place among items. After a step that failed, `at` is where it did. */
typedef struct pp_cbor_walk {
    const char *at;
    const char *end;
    const char *fault; /* why the step failed; static text */
} pp_cbor_walk;

typedef struct pp_cbor_head {
    pp_cbor_major major;
    uint32_t size;      /* of the value behind the first byte: 0, 1, 2, 4, 8 */
    bool is_indefinite; /* a map or an array up to its break */
    uint64_t value;
} pp_cbor_head;

/** Writes the shortest head, at most PP_CBOR_HEAD_MAX bytes; returns its length. */
size_t pp_cbor_head_write(char *out, pp_cbor_major major, uint64_t value);

/** Reads the next head, tags before it passed. */
bool pp_cbor_head_read(pp_cbor_walk *walk, pp_cbor_head *head);

/** Reads what a head of bytes or text announces. Text is checked for UTF-8. */
bool pp_cbor_content_read(pp_cbor_walk *walk, const pp_cbor_head *head, pinpipe_str *content);

/** The number of a head: whole, negative or one of the three floats. False: it is none. */
bool pp_cbor_number(double *out, const pp_cbor_head *head);

/** Passes the break of a map or an array; false where another item follows. */
bool pp_cbor_break_pass(pp_cbor_walk *walk);

/** Passes the item that follows. `depth` is that of what it stands in, from 0. */
bool pp_cbor_item_pass(pp_cbor_walk *walk, int32_t depth);

#endif
