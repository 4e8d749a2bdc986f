/* Turns the address that a socket is about to be opened to into a verdict.
 * Never takes an IPv4 address that is dressed up as IPv6 for what it hides.
 * Rules: docs/credentials.md, "Link-local safety". */
#include "io/guard.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

static bool listed(const char *text, const char *const *names) {
    for (; *names; names++) {
        if (strcmp(text, *names) == 0) {
            return true;
        }
    }
    return false;
}

static bool tls_allows(int family, const uint8_t *bytes, const char *text) {
    static const char *const container[] = {"169.254.170.2", "169.254.170.23", "fd00:ec2::23", "::1", NULL};
    if (listed(text, container)) {
        return true;
    }
    if (family == AF_INET) {
        return !(bytes[0] == 0 || (bytes[0] == 169 && bytes[1] == 254) || bytes[0] >= 224);
    }
    static const uint8_t zeros[10] = {0};
    bool mapped = memcmp(bytes, zeros, sizeof zeros) == 0; /* ::, ::a.b.c.d and ::ffff:a.b.c.d too */
    bool link_local = bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80;
    bool amazon_local = bytes[0] == 0xfd && bytes[1] == 0x00 && bytes[2] == 0x0e && bytes[3] == 0xc2;
    return !mapped && !link_local && !amazon_local && bytes[0] != 0xff;
}

bool pp_guard_allows(pp_guard guard, const char *literal, const struct sockaddr *address) {
    static const char *const container[] = {"169.254.170.2", "169.254.170.23", "fd00:ec2::23", "::1", NULL};
    static const char *const imds[] = {"169.254.169.254", "fd00:ec2::254", "::1", NULL};
    uint8_t bytes[16] = {0};
    char text[INET6_ADDRSTRLEN] = "";
    if (address->sa_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, address, sizeof v4);
        memcpy(bytes, &v4.sin_addr, 4);
    } else if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 v6;
        memcpy(&v6, address, sizeof v6);
        memcpy(bytes, &v6.sin6_addr, 16);
    } else {
        return false;
    }
    if (!inet_ntop(address->sa_family, bytes, text, sizeof text)) {
        return false;
    }
    bool loopback = address->sa_family == AF_INET && bytes[0] == 127;
    switch (guard) {
    case PP_GUARD_NONE:
        return true;
    case PP_GUARD_CONTAINER:
        return loopback || listed(text, container);
    case PP_GUARD_CONTAINER_TLS:
        return tls_allows(address->sa_family, bytes, text);
    case PP_GUARD_IMDS:
        return loopback || listed(text, imds) || (literal[0] && strcmp(text, literal) == 0);
    }
    return false;
}
