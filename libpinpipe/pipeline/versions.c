/* Turns the libraries that are linked in into "name version" lines.
 * Never loads or probes anything.
 * Rules: each library's own version call. */
#include "pinpipe/library.h"

#include <openssl/crypto.h>

#include "aws/xml.h"
#include "base/buffer.h"
#include "io/http.h"
#include "kafka/version.h"
#include "pinpipe/version.h"

pinpipe_status pinpipe_library_versions(pinpipe_buf *out, pinpipe_error *err) {
    pp_buf_clear(out);
    pinpipe_status status = pp_buf_printf(out, err, "libpinpipe %s\nopenssl %s\n", pinpipe_version(),
                                          OpenSSL_version(OPENSSL_VERSION_STRING));
    if (status == PINPIPE_OK) {
        status = pp_http_versions_write(out, err);
    }
    if (status == PINPIPE_OK) {
        status = pp_xml_versions_write(out, err);
    }
    return status == PINPIPE_OK ? pp_kafka_versions_write(out, err) : status;
}
