/* Turns the first call of libcurl into its load: with the libraries behind it, it is most of what an import
 * would load. Never changes a call: each goes on to libcurl's function of the same name, once it is there.
 * Rules: docs/architecture.md, "The Python border"; curl/curl.h. An argument behind `...` is a long, a
 * pointer or a curl_off_t, which are passed alike where all three have 64 bits. */
#include <dlfcn.h>
#include <pthread.h>
#include <stdarg.h>
#include <string.h>

#include <curl/curl.h>

#undef curl_easy_getinfo
#undef curl_easy_setopt
#undef curl_multi_setopt

_Static_assert(sizeof(long) == sizeof(void *) && sizeof(curl_off_t) == sizeof(void *),
               "an argument behind ... is not passed on as a pointer here");

/* name, result, what it is without libcurl, parameters, arguments */
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
#define FIELD(name, result, otherwise, parameters, arguments) result(*name) parameters;
    PASSED(FIELD)
#undef FIELD
#define FIELD(name, parameters, arguments) void(*name) parameters;
    PASSED_VOID(FIELD)
#undef FIELD
#define FIELD(name, result, otherwise, handle, option) result (*name)(handle *, option, ...);
    PASSED_ON(FIELD)
#undef FIELD
} libcurl;

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void function_find(void *field, void *library, const char *name) {
    void *found = dlsym(library, name);
    memcpy(field, &found, sizeof found); /* ISO C has no conversion from one to the other */
}

static void load(void) {
    void *library = dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        return;
    }
#define FIND(name, ...) function_find(&libcurl.name, library, #name);
    PASSED(FIND)
    PASSED_VOID(FIND)
    PASSED_ON(FIND)
#undef FIND
}

#define CALL(name, result, otherwise, parameters, arguments)                                                 \
    result name parameters {                                                                                 \
        pthread_once(&once, load);                                                                           \
        return libcurl.name ? libcurl.name arguments : (otherwise);                                          \
    }
PASSED(CALL)
#undef CALL

#define CALL(name, parameters, arguments)                                                                    \
    void name parameters {                                                                                   \
        pthread_once(&once, load);                                                                           \
        if (libcurl.name) {                                                                                  \
            libcurl.name arguments;                                                                          \
        }                                                                                                    \
    }
PASSED_VOID(CALL)
#undef CALL

#define CALL(name, result, otherwise, handle, option)                                                        \
    result name(handle *of, option which, ...) {                                                             \
        va_list rest;                                                                                        \
        va_start(rest, which);                                                                               \
        void *value = va_arg(rest, void *);                                                                  \
        va_end(rest);                                                                                        \
        pthread_once(&once, load);                                                                           \
        return libcurl.name ? libcurl.name(of, which, value) : (otherwise);                                  \
    }
PASSED_ON(CALL)
#undef CALL
