/* Turns the segments of a path into the rows of a table that it has, one row a method.
 * Never looks at headers or body.
 * Rules: the tables are gateway/operations.def and gateway/consumers.def. */
#ifndef PP_GATEWAY_PATHS_H
#define PP_GATEWAY_PATHS_H

#include "gateway/route.h"

/** One method of a path, such as "/streams/{stream-name}"; a segment in braces stands for any. */
typedef struct pp_gateway_path_row {
    pp_gateway_method method;
    const char *text; /* the method's name */
    const char *path;
} pp_gateway_path_row;

/** At most 32 rows: a route has a bit for each. */
struct pp_gateway_paths {
    const pp_gateway_path_row *rows;
    int count;
};

/** Whether segments are those of a path. */
bool pp_gateway_path_fits(const char *path, const pinpipe_str *part, int count);

/** The rows of a path, a bit each; the stage is taken off. 0 = the table has no such path. */
uint32_t pp_gateway_paths_find(const pp_gateway_paths *paths, const pinpipe_str *part, int count);

/** Writes the methods of a route's path as a header Allow has them. */
void pp_gateway_route_allow(char out[PP_GATEWAY_ALLOW_BYTES], const pp_gateway_route *route);

/** The row of its path with its method; the table's count = none. */
int pp_gateway_route_row(const pp_gateway_route *route);

#endif
