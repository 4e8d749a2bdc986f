/* Turns the libraries that are linked in into "name version" lines.
 * Never loads or probes anything.
 * Rules: each library's own version call. */
#include "pinpipe/library.h"

#include <openssl/crypto.h>

#include "base/buffer.h"
#include "pinpipe/version.h"

pinpipe_status pinpipe_library_versions(pinpipe_buf *out, pinpipe_error *err) {
    pp_buf_clear(out);
    return pp_buf_printf(out, err, "libpinpipe %s\nopenssl %s\n", pinpipe_version(),
                         OpenSSL_version(OPENSSL_VERSION_STRING));
}
