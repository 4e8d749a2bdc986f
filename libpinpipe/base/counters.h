/* Turns a map of counters into the functions that tell a counter's name and meaning.
 * Never counts anything.
 * Rules: the map in the public header is the only list. */
#ifndef PP_BASE_COUNTERS_H
#define PP_BASE_COUNTERS_H

#include <stddef.h>
#include <stdint.h>

#define PP_COUNTER_ROW(name, text, meaning) {#text, meaning},

/** Defines `prefix`_name and `prefix`_text; NULL beyond the last of `count`. */
#define PP_COUNTERS_TELL(prefix, map, count)                                                                 \
    static const struct { const char *name, *text; } counter_rows[] = {map(PP_COUNTER_ROW)};                 \
    const char *prefix##_name(int32_t counter) {                                                             \
        return counter >= 0 && counter < (count) ? counter_rows[counter].name : NULL;                        \
    }                                                                                                        \
    const char *prefix##_text(int32_t counter) {                                                             \
        return counter >= 0 && counter < (count) ? counter_rows[counter].text : NULL;                        \
    }

#endif
