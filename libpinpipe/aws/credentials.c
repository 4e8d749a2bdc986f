/* Turns the parts of an access key into a shared, immutable handle.
 * Never reads the environment or a file, and never lets a secret outlive the last owner.
 * Rules: docs/credentials.md. */
#include "aws/credentials.h"

#include <assert.h>
#include <stdatomic.h>
#include <string.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/memory.h"

struct pinpipe_credentials {
    atomic_int owners;
    const char *source;
    pinpipe_str key_id, secret, token, account_id, text; /* views into `bytes` */
    int64_t expires_s;
    size_t size; /* of the whole allocation */
    char bytes[];
};

/* Signing puts the key id and the token into header lines, and no part of a key has blanks: what has is a
 * copying mistake that the service would only answer with a wrong signature. */
static pinpipe_status part_check(const char *name, pinpipe_str part, pinpipe_error *err) {
    if (part.len > PP_CREDENTIALS_PART_MAX) {
        return pp_fail(err, PINPIPE_EINVAL, "%s: %zu bytes are more than %d", name, part.len,
                       PP_CREDENTIALS_PART_MAX);
    }
    for (size_t i = 0; i < part.len; i++) {
        unsigned char byte = (unsigned char)part.ptr[i];
        if (byte <= 0x20 || byte >= 0x7f) {
            return pp_fail(err, PINPIPE_EINVAL, "%s: byte %zu is 0x%02x, not a visible ASCII character", name,
                           i, byte);
        }
    }
    return PINPIPE_OK;
}

static pinpipe_status parts_check(const pinpipe_credentials_options *parts, pinpipe_error *err) {
    if (!parts || parts->struct_size < sizeof *parts) {
        return pp_fail(err, PINPIPE_EINVAL, "credentials options lack their struct_size");
    }
    if (!parts->access_key_id.len || !parts->secret_access_key.len) {
        return pp_fail(err, PINPIPE_EINVAL, "%s is empty",
                       parts->access_key_id.len ? "secret access key" : "access key id");
    }
    pinpipe_status status = part_check("access key id", parts->access_key_id, err);
    if (status == PINPIPE_OK && memchr(parts->access_key_id.ptr, '/', parts->access_key_id.len)) {
        status = pp_fail(err, PINPIPE_EINVAL, "access key id: it holds a '/', as secret keys do: swapped?");
    }
    if (status == PINPIPE_OK) {
        status = part_check("secret access key", parts->secret_access_key, err);
    }
    if (status == PINPIPE_OK) {
        status = part_check("session token", parts->session_token, err);
    }
    if (status == PINPIPE_OK) {
        status = part_check("account id", parts->account_id, err);
    }
    if (status == PINPIPE_OK && parts->expires_s < 0) {
        status = pp_fail(err, PINPIPE_EINVAL, "expiry: %lld s since 1970", (long long)parts->expires_s);
    }
    return status;
}

static pinpipe_str part_copy(char **tail, pinpipe_str part) {
    pinpipe_str copy = {*tail, part.len};
    if (part.len) {
        memcpy(*tail, part.ptr, part.len);
    }
    (*tail)[part.len] = '\0';
    *tail += part.len + 1;
    return copy;
}

pinpipe_status pp_credentials_new(pinpipe_credentials **out, const pinpipe_credentials_options *parts,
                                  pp_credentials_source source, pinpipe_error *err) {
    *out = NULL;
    pinpipe_status status = parts_check(parts, err);
    if (status < 0) {
        return status;
    }
    pinpipe_str text = source.text.len ? source.text : pp_str(source.name);
    size_t size = sizeof(pinpipe_credentials) + parts->access_key_id.len + parts->secret_access_key.len +
                  parts->session_token.len + parts->account_id.len + text.len + 5;
    pinpipe_credentials *made = pp_alloc_zero(size);
    if (!made) {
        return pp_fail_memory(err, "credentials", size);
    }
    atomic_init(&made->owners, 1);
    made->source = source.name;
    made->expires_s = parts->expires_s;
    made->size = size;
    char *tail = made->bytes;
    made->key_id = part_copy(&tail, parts->access_key_id);
    made->secret = part_copy(&tail, parts->secret_access_key);
    made->token = part_copy(&tail, parts->session_token);
    made->account_id = part_copy(&tail, parts->account_id);
    made->text = part_copy(&tail, text);
    *out = made;
    return PINPIPE_OK;
}

pinpipe_status pp_credentials_take(pinpipe_credentials **out, const pinpipe_credentials_options *parts,
                                   pp_credentials_source source, pinpipe_status refused, pinpipe_error *err) {
    pinpipe_error cause = PINPIPE_ERROR_INIT;
    pinpipe_status status = pp_credentials_new(out, parts, source, &cause);
    pinpipe_str text = source.text.len ? source.text : pp_str(source.name);
    if (status == PINPIPE_EINVAL) {
        status = refused;
    }
    return status < 0 ? pp_fail(err, status, "%.*s: %s", (int)text.len, text.ptr, cause.message) : status;
}

pinpipe_status pinpipe_credentials_new(pinpipe_credentials **out, const pinpipe_credentials_options *options,
                                       pinpipe_error *err) {
    assert(out);
    return pp_credentials_new(out, options, (pp_credentials_source){"static", {NULL, 0}}, err);
}

pinpipe_credentials *pp_credentials_retain(const pinpipe_credentials *credentials) {
    pinpipe_credentials *shared = (pinpipe_credentials *)credentials;
    if (shared) {
        atomic_fetch_add(&shared->owners, 1);
    }
    return shared;
}

void pinpipe_credentials_free(pinpipe_credentials *credentials) {
    if (credentials && atomic_fetch_sub(&credentials->owners, 1) == 1) {
        pp_wipe(credentials, credentials->size);
        pp_free(credentials);
    }
}

pinpipe_str pinpipe_credentials_key_id(const pinpipe_credentials *credentials) {
    return credentials->key_id;
}

pinpipe_str pinpipe_credentials_secret(const pinpipe_credentials *credentials) {
    return credentials->secret;
}

pinpipe_str pinpipe_credentials_token(const pinpipe_credentials *credentials) {
    return credentials->token;
}

const char *pinpipe_credentials_name(const pinpipe_credentials *credentials) {
    return credentials->source;
}

pinpipe_str pinpipe_credentials_account_id(const pinpipe_credentials *credentials) {
    return credentials->account_id;
}

int64_t pinpipe_credentials_expires_s(const pinpipe_credentials *credentials) {
    return credentials->expires_s;
}

pinpipe_str pinpipe_credentials_text(const pinpipe_credentials *credentials) {
    return credentials->text;
}
