/* Turns the TLS connection of a libcurl handle into one that takes many records from its socket at once.
 * Never lets a byte lie unseen: whoever moves the handle is told of each read from that buffer.
 * Rules: docs/s3.md, "Connections"; BIO_f_buffer(3), CURLINFO_TLS_SSL_PTR(3). */
#ifndef PP_IO_TLS_H
#define PP_IO_TLS_H

#include <stdint.h>

#if PINPIPE_WITH_S3

#include <curl/curl.h>

/** Most that a connection has taken from its socket and not yet handed on, in bytes. */
#define PP_TLS_BUFFER_BYTES (128 << 10)

/** Puts a buffer between the socket and the connection that the handle is about to use. poll(2) says nothing
 * of what lies there, so the handle is to be moved again as long as `*reads` has moved with it: that counts
 * what was taken from such buffers, a whole record or a part, and outlives the connection. Without effect on
 * plain http, and where libcurl's TLS is another library or another copy of OpenSSL. */
void pp_tls_buffer_set(CURL *curl, int64_t *reads);

#endif

#endif
