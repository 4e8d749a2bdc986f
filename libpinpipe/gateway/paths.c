/* Turns the segments of a path into the rows of a table that it has, one row a method.
 * Never has a path of its own.
 * Rules: the tables are gateway/operations.def and gateway/consumers.def. */
#include "gateway/paths.h"

#include <string.h>

#include "base/buffer.h"

bool pp_gateway_path_fits(const char *path, const pinpipe_str *part, int count) {
    int i = 0;
    for (; *path == '/' && i < count; i++) {
        size_t len = strcspn(++path, "/");
        if (*path != '{' && !pp_str_equal(part[i], (pinpipe_str){path, len})) {
            return false;
        }
        path += len;
    }
    return i == count && !*path;
}

uint32_t pp_gateway_paths_find(const pp_gateway_paths *paths, const pinpipe_str *part, int count) {
    uint32_t found = 0;
    for (int i = 0; i < paths->count; i++) {
        found |= pp_gateway_path_fits(paths->rows[i].path, part, count) ? 1u << i : 0;
    }
    return found;
}

void pp_gateway_route_allow(char out[PP_GATEWAY_ALLOW_BYTES], const pp_gateway_route *route) {
    size_t len = 0;
    for (int i = 0; i < route->paths->count; i++) {
        const char *method = route->paths->rows[i].text;
        size_t more = strlen(method);
        if (route->operations >> i & 1 && len + more + sizeof ", " <= PP_GATEWAY_ALLOW_BYTES) {
            memcpy(out + len, ", ", len ? 2 : 0);
            len += len ? 2 : 0;
            memcpy(out + len, method, more);
            len += more;
        }
    }
    out[len] = '\0';
}

int pp_gateway_route_row(const pp_gateway_route *route) {
    int i = 0;
    while (i < route->paths->count &&
           !(route->operations >> i & 1 && route->paths->rows[i].method == route->method)) {
        i++;
    }
    return i;
}
