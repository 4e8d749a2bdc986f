/* Turns the TLS connection of a libcurl handle into one that takes many records from its socket at once.
 * Never touches an SSL that is not of the OpenSSL this library is linked with.
 * Rules: BIO_f_buffer(3), BIO_set_callback_ex(3), SSL_set0_rbio(3), CURLINFO_TLS_SSL_PTR(3). */
#include "io/tls.h"

#if PINPIPE_WITH_S3

#include <stdbool.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/ssl.h>

#define OPENSSL_NAME "OpenSSL/"

/* The same version is the same SSL. */
static bool is_own_openssl(void) {
    const char *theirs = curl_version_info(CURLVERSION_NOW)->ssl_version;
    size_t name_len = strlen(OPENSSL_NAME);
    return theirs && strncmp(theirs, OPENSSL_NAME, name_len) == 0 &&
           strcmp(theirs + name_len, OpenSSL_version(OPENSSL_VERSION_STRING)) == 0;
}

static long read_count(BIO *buffer, int what, const char *bytes, size_t len, int number, long number_long,
                       int result, size_t *done) {
    (void)bytes, (void)len, (void)number, (void)number_long, (void)done;
    if (what == (BIO_CB_READ | BIO_CB_RETURN) && result > 0) {
        ++*(int64_t *)(void *)BIO_get_callback_arg(buffer);
    }
    return result;
}

void pp_tls_buffer_set(CURL *curl, int64_t *reads) {
    struct curl_tlssessioninfo *session = NULL;
    if (curl_easy_getinfo(curl, CURLINFO_TLS_SSL_PTR, &session) != CURLE_OK || !session ||
        session->backend != CURLSSLBACKEND_OPENSSL || !session->internals || !is_own_openssl()) {
        return;
    }
    SSL *ssl = session->internals;
    BIO *socket = SSL_get_rbio(ssl);
    if (!socket || BIO_method_type(socket) == BIO_TYPE_BUFFER) {
        return; /* the connection has one since a request before */
    }
    BIO *buffer = BIO_new(BIO_f_buffer());
    if (!buffer || BIO_set_read_buffer_size(buffer, PP_TLS_BUFFER_BYTES) != 1 || BIO_up_ref(socket) != 1) {
        BIO_free(buffer);
        return; /* without it every record costs two calls, and nothing else */
    }
    BIO_set_callback_ex(buffer, read_count);
    BIO_set_callback_arg(buffer, (char *)reads);
    SSL_set0_rbio(ssl, BIO_push(buffer, socket));
    SSL_clear_mode(ssl, SSL_MODE_RELEASE_BUFFERS); /* an allocation a record */
}

#endif
