/* Turns the URLs that a container or an instance is asked for its key at into a verdict: may it be asked.
 * Never resolves a name, and never guesses what an odd way of writing an address means: it is refused.
 * Rules: docs/credentials.md, "Link-local safety"; WHATWG URL, "ends in a number checker". */
#include "aws/metadata.h"

#include <stdio.h>
#include <string.h>

#include "aws/uri.h"
#include "base/buffer.h"

/* Four numbers as inet_ntop writes them: decimal, no leading zeros. */
static bool quad_read(uint8_t out[4], pinpipe_str host) {
    size_t at = 0;
    for (int part = 0; part < 4; part++) {
        size_t begin = at;
        uint32_t value = 0;
        while (at < host.len && host.ptr[at] >= '0' && host.ptr[at] <= '9' && at - begin < 3) {
            value = value * 10 + (uint32_t)(host.ptr[at++] - '0');
        }
        bool zeros = at - begin > 1 && host.ptr[begin] == '0';
        bool separated = part == 3 ? at == host.len : at < host.len && host.ptr[at] == '.';
        if (at == begin || zeros || value > 255 || !separated) {
            return false;
        }
        out[part] = (uint8_t)value;
        at++;
    }
    return true;
}

/* A last label of digits, or 0x and hex digits, is an address to many a resolver. */
static bool ends_in_number(pinpipe_str host) {
    size_t end = host.len;
    while (end && host.ptr[end - 1] == '.') {
        end--;
    }
    size_t begin = end;
    while (begin && host.ptr[begin - 1] != '.') {
        begin--;
    }
    pinpipe_str label = {host.ptr + begin, end - begin};
    bool digits = label.len > 0;
    for (size_t i = 0; i < label.len; i++) {
        digits = digits && label.ptr[i] >= '0' && label.ptr[i] <= '9';
    }
    return digits || (label.len >= 2 && label.ptr[0] == '0' && (label.ptr[1] == 'x' || label.ptr[1] == 'X'));
}

static bool name_is_plain(pinpipe_str host) {
    for (size_t i = 0; i < host.len; i++) {
        char byte = host.ptr[i];
        bool letter = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
        if (!letter && !(byte >= '0' && byte <= '9') && byte != '-' && byte != '.') {
            return false;
        }
    }
    return host.len > 0 && host.len <= 253;
}

/* The authority without its port. */
static pinpipe_str host_of(pinpipe_str authority) {
    if (authority.len && authority.ptr[0] == '[') {
        const char *close = memchr(authority.ptr, ']', authority.len);
        return (pinpipe_str){authority.ptr, close ? (size_t)(close - authority.ptr) + 1 : authority.len};
    }
    const char *colon = memchr(authority.ptr, ':', authority.len);
    return (pinpipe_str){authority.ptr, colon ? (size_t)(colon - authority.ptr) : authority.len};
}

static bool host_is(pinpipe_str host, const char *const *names) {
    for (; *names; names++) {
        if (pp_str_alike(host, pp_str(*names))) {
            return true;
        }
    }
    return false;
}

static pinpipe_status url_take(pp_url *out, pinpipe_str *host, const char *what, pinpipe_str url,
                               pinpipe_error *err) {
    pinpipe_error cause = PINPIPE_ERROR_INIT;
    pinpipe_status status = pp_url_split(out, url, &cause);
    if (status < 0) {
        return pp_fail(err, PINPIPE_EAUTH, "%s: %s", what, cause.message);
    }
    *host = host_of(out->authority);
    return PINPIPE_OK;
}

static pinpipe_status host_fail(const char *what, pinpipe_str host, const char *why, pinpipe_error *err) {
    return pp_fail(err, PINPIPE_EAUTH, "%s: host '%.*s' %s", what, pp_quote_len(host.len), host.ptr, why);
}

static const char *const container_hosts[] = {"localhost",      "[::1]",          "169.254.170.2",
                                              "169.254.170.23", "[fd00:ec2::23]", NULL};

pinpipe_status pp_container_url_check(pp_guard *out, pinpipe_str url, pinpipe_error *err) {
    static const char *const what = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
    pp_url parts;
    pinpipe_str host = {"", 0};
    uint8_t quad[4] = {0};
    pinpipe_status status = url_take(&parts, &host, what, url, err);
    if (status < 0) {
        return status;
    }
    bool is_quad = quad_read(quad, host);
    bool loopback = is_quad && quad[0] == 127;
    *out = pp_url_is_https(&parts) ? PP_GUARD_CONTAINER_TLS : PP_GUARD_CONTAINER;
    if (loopback || host_is(host, container_hosts)) {
        return PINPIPE_OK;
    }
    if (*out == PP_GUARD_CONTAINER) {
        return host_fail(what, host, "is neither loopback nor a container's; https would be needed", err);
    }
    if (is_quad) {
        bool local = quad[0] == 0 || (quad[0] == 169 && quad[1] == 254) || quad[0] >= 224;
        return local ? host_fail(what, host, "is not a container's", err) : PINPIPE_OK;
    }
    if (!name_is_plain(host) || ends_in_number(host)) {
        return host_fail(what, host, "is no name and no plainly written address", err);
    }
    return PINPIPE_OK;
}

pinpipe_status pp_imds_url_check(char literal[PP_GUARD_LITERAL_BYTES], pinpipe_str url, pinpipe_error *err) {
    static const char *const what = "AWS_EC2_METADATA_SERVICE_ENDPOINT";
    static const char *const hosts[] = {"localhost", "[::1]", "[fd00:ec2::254]", NULL};
    pp_url parts;
    pinpipe_str host = {"", 0};
    uint8_t quad[4] = {0};
    literal[0] = '\0';
    pinpipe_status status = url_take(&parts, &host, what, url, err);
    if (status < 0) {
        return status;
    }
    if (parts.query.len) {
        return host_fail(what, host, "has a query behind it", err);
    }
    if (quad_read(quad, host)) {
        bool nowhere = quad[0] == 0 || quad[0] >= 224;
        snprintf(literal, PP_GUARD_LITERAL_BYTES, "%.*s", (int)host.len, host.ptr);
        return nowhere ? host_fail(what, host, "is no address of a service", err) : PINPIPE_OK;
    }
    return host_is(host, hosts)
               ? PINPIPE_OK
               : host_fail(what, host, "is no plainly written address, and not localhost", err);
}
