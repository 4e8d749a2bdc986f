/* Turns the first call of libcurl into its load: with the libraries behind it, it is most of what an import
 * would load. Never changes a call: each goes on to libcurl's function of the same name, once it is there.
 * Rules: docs/architecture.md, "The Python border"; curl/curl.h. An argument behind `...` is a long, a
 * pointer or a curl_off_t, which are passed alike where all three have 64 bits. */
#include <stdarg.h>

#include <curl/curl.h>

#include "on_demand.h"

#undef curl_easy_getinfo
#undef curl_easy_setopt
#undef curl_multi_setopt

_Static_assert(sizeof(long) == sizeof(void *) && sizeof(curl_off_t) == sizeof(void *),
               "an argument behind ... is not passed on as a pointer here");

#define PASSED(X)                                                                                            \
    X(curl_global_init, CURLcode, CURLE_FAILED_INIT, (long flags), (flags))                                  \
    X(curl_version_info, curl_version_info_data *, NULL, (CURLversion age), (age))                           \
    X(curl_getdate, time_t, -1, (const char *text, const time_t *unused), (text, unused))                    \
    X(curl_slist_append, struct curl_slist *, NULL, (struct curl_slist * list, const char *text),            \
      (list, text))                                                                                          \
    X(curl_easy_init, CURL *, NULL, (void), ())                                                              \
    X(curl_easy_perform, CURLcode, CURLE_FAILED_INIT, (CURL * easy), (easy))                                 \
    X(curl_easy_strerror, const char *, "libcurl could not be loaded", (CURLcode code), (code))              \
    X(curl_multi_init, CURLM *, NULL, (void), ())                                                            \
    X(curl_multi_add_handle, CURLMcode, CURLM_INTERNAL_ERROR, (CURLM * multi, CURL * easy), (multi, easy))   \
    X(curl_multi_remove_handle, CURLMcode, CURLM_INTERNAL_ERROR, (CURLM * multi, CURL * easy),               \
      (multi, easy))                                                                                         \
    X(curl_multi_socket_action, CURLMcode, CURLM_INTERNAL_ERROR,                                             \
      (CURLM * multi, curl_socket_t socket, int events, int *running), (multi, socket, events, running))     \
    X(curl_multi_info_read, CURLMsg *, NULL, (CURLM * multi, int *left), (multi, left))                      \
    X(curl_multi_cleanup, CURLMcode, CURLM_INTERNAL_ERROR, (CURLM * multi), (multi))                         \
    X(curl_multi_strerror, const char *, "libcurl could not be loaded", (CURLMcode code), (code))

#define PASSED_VOID(X)                                                                                       \
    X(curl_easy_cleanup, (CURL * easy), (easy))                                                              \
    X(curl_easy_reset, (CURL * easy), (easy))                                                                \
    X(curl_slist_free_all, (struct curl_slist * list), (list))

#define PASSED_ON(X)                                                                                         \
    X(curl_easy_setopt, CURLcode, CURLE_FAILED_INIT, CURL, CURLoption)                                       \
    X(curl_easy_getinfo, CURLcode, CURLE_FAILED_INIT, CURL, CURLINFO)                                        \
    X(curl_multi_setopt, CURLMcode, CURLM_INTERNAL_ERROR, CURLM, CURLMoption)

static struct {
    PASSED(ON_DEMAND_FIELD)
    PASSED_VOID(ON_DEMAND_FIELD_VOID)
#define FIELD(name, result, otherwise, handle, option) result (*name)(handle *, option, ...);
    PASSED_ON(FIELD)
#undef FIELD
} loaded;

static void load(void) {
    void *library = dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        return;
    }
    PASSED(ON_DEMAND_FIND)
    PASSED_VOID(ON_DEMAND_FIND)
    PASSED_ON(ON_DEMAND_FIND)
}

PASSED(ON_DEMAND_CALL)
PASSED_VOID(ON_DEMAND_CALL_VOID)

#define CALL(name, result, otherwise, handle, option)                                                        \
    result name(handle *of, option which, ...) {                                                             \
        va_list rest;                                                                                        \
        va_start(rest, which);                                                                               \
        void *value = va_arg(rest, void *);                                                                  \
        va_end(rest);                                                                                        \
        pthread_once(&once, load);                                                                           \
        return loaded.name ? loaded.name(of, which, value) : (otherwise);                                    \
    }
PASSED_ON(CALL)
#undef CALL
