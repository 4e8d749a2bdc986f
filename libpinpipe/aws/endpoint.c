/* Turns a service, a region and what the surroundings say into the URL to send to.
 * Never resolves a name and never lets a region reach a URL unchecked.
 * Rules: aws/partitions.def; docs/credentials.md, "Regions and endpoints". */
#include "aws/endpoint.h"

#include <string.h>

#include "base/buffer.h"

#define REGION_MAX 63

typedef struct partition_row {
    const char *id, *prefixes, *suffix, *dual_suffix;
} partition_row;

typedef struct host_row {
    const char *service, *host, *dual_infix;
} host_row;

typedef enum fips_kind { FIPS_HOST, FIPS_PLAIN, FIPS_NONE } fips_kind;

typedef struct fips_row {
    const char *service, *partition;
    fips_kind kind;
} fips_row;

static const partition_row partition_rows[] = {
#define PP_PARTITION(id, prefixes, suffix, dual_suffix) {id, prefixes, suffix, dual_suffix},
#include "aws/partitions.def"
#undef PP_PARTITION
};

static const host_row host_rows[] = {
#define PP_ENDPOINT_HOST(service, host, dual_infix) {service, host, dual_infix},
#include "aws/partitions.def"
#undef PP_ENDPOINT_HOST
};

static const fips_row fips_rows[] = {
#define PP_ENDPOINT_FIPS(service, partition, kind) {service, partition, FIPS_##kind},
#include "aws/partitions.def"
#undef PP_ENDPOINT_FIPS
};

pinpipe_status pp_region_check(pinpipe_str region, pinpipe_error *err) {
    bool valid = region.len >= 1 && region.len <= REGION_MAX;
    for (size_t i = 0; valid && i < region.len; i++) {
        char byte = region.ptr[i];
        valid = (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') || byte == '-';
    }
    return valid ? PINPIPE_OK
                 : pp_fail(err, PINPIPE_EINVAL, "region '%.*s': it is 1 to 63 of a to z, digits and '-'",
                           pp_quote_len(region.len), region.ptr);
}

/* "-word-number" behind the prefix. */
static bool tail_fits(pinpipe_str tail) {
    if (tail.len < 4 || tail.ptr[0] != '-') {
        return false;
    }
    const char *dash = memchr(tail.ptr + 1, '-', tail.len - 1);
    if (!dash || dash == tail.ptr + 1 || dash + 1 == tail.ptr + tail.len) {
        return false;
    }
    for (const char *digit = dash + 1; digit < tail.ptr + tail.len; digit++) {
        if (*digit < '0' || *digit > '9') {
            return false;
        }
    }
    return true;
}

static bool partition_fits(const partition_row *row, pinpipe_str region) {
    for (const char *prefix = row->prefixes; *prefix;) {
        size_t len = strcspn(prefix, " ");
        if (region.len > len && memcmp(region.ptr, prefix, len) == 0 &&
            tail_fits((pinpipe_str){region.ptr + len, region.len - len})) {
            return true;
        }
        prefix += len + (prefix[len] == ' ' ? 1 : 0);
    }
    return false;
}

static const partition_row *partition_find(pinpipe_str region) {
    for (size_t i = 0; i < sizeof partition_rows / sizeof partition_rows[0]; i++) {
        if (partition_fits(&partition_rows[i], region)) {
            return &partition_rows[i];
        }
    }
    return &partition_rows[0];
}

const char *pp_region_partition(pinpipe_str region) {
    return partition_find(region)->id;
}

static fips_kind fips_find(pinpipe_str service, const char *partition) {
    for (size_t i = 0; i < sizeof fips_rows / sizeof fips_rows[0]; i++) {
        if (pp_str_is(service, fips_rows[i].service) && strcmp(fips_rows[i].partition, partition) == 0) {
            return fips_rows[i].kind;
        }
    }
    return FIPS_HOST;
}

pinpipe_status pp_endpoint_compute(pinpipe_buf *out, const pp_endpoint_query *query, pinpipe_error *err) {
    pinpipe_status status = pp_region_check(query->region, err);
    if (status < 0) {
        return status;
    }
    const partition_row *partition = partition_find(query->region);
    pinpipe_str host = query->service;
    const char *infix = "";
    for (size_t i = 0; i < sizeof host_rows / sizeof host_rows[0]; i++) {
        if (pp_str_is(query->service, host_rows[i].service)) {
            host = pp_str(host_rows[i].host);
            infix = host_rows[i].dual_infix;
        }
    }
    bool dual = (query->variants & PP_ENDPOINT_DUALSTACK) != 0;
    bool fips = (query->variants & PP_ENDPOINT_FIPS_HOST) != 0;
    fips_kind kind = fips_find(query->service, partition->id);
    if (fips && kind == FIPS_NONE) {
        return pp_fail(err, PINPIPE_EINVAL, "region '%.*s': partition %s has no FIPS endpoint of %.*s",
                       (int)query->region.len, query->region.ptr, partition->id,
                       pp_quote_len(query->service.len), query->service.ptr);
    }
    bool marked = fips && (kind == FIPS_HOST || dual);
    const char *suffix = dual && !infix[0] ? partition->dual_suffix : partition->suffix;
    return pp_buf_printf(out, err, "https://%.*s%s.%s%.*s.%s", (int)host.len, host.ptr, marked ? "-fips" : "",
                         dual ? infix : "", (int)query->region.len, query->region.ptr, suffix);
}

static bool switched_on(const pp_settings *settings, pp_environment_id id, const char *key) {
    pinpipe_str value = pp_environment_get(&settings->environment, id);
    return pp_settings_bool(value.len ? value : pp_settings_profile_get(settings, key), false);
}

uint32_t pp_settings_variants(const pp_settings *settings) {
    bool fips = switched_on(settings, PP_ENV_USE_FIPS, "use_fips_endpoint");
    bool dual = switched_on(settings, PP_ENV_USE_DUALSTACK, "use_dualstack_endpoint");
    return (fips ? PP_ENDPOINT_FIPS_HOST : 0) | (dual ? PP_ENDPOINT_DUALSTACK : 0);
}

pinpipe_str pp_settings_endpoint(const pp_settings *settings, pinpipe_str service) {
    static const struct {
        const char *service;
        pp_environment_id id;
    } variables[] = {{"s3", PP_ENV_ENDPOINT_S3},
                     {"kinesis", PP_ENV_ENDPOINT_KINESIS},
                     {"sts", PP_ENV_ENDPOINT_STS},
                     {"sso", PP_ENV_ENDPOINT_SSO}};
    const char *name = "";
    pinpipe_str found = {"", 0};
    if (switched_on(settings, PP_ENV_ENDPOINTS_IGNORED, "ignore_configured_endpoint_urls")) {
        return found;
    }
    for (size_t i = 0; i < sizeof variables / sizeof variables[0]; i++) {
        if (pp_str_is(service, variables[i].service)) {
            name = variables[i].service;
            found = pp_environment_get(&settings->environment, variables[i].id);
        }
    }
    if (!found.len) {
        found = pp_environment_get(&settings->environment, PP_ENV_ENDPOINT);
    }
    pinpipe_str services = pp_settings_profile_get(settings, "services");
    if (!found.len && services.len && name[0]) {
        pinpipe_str own = pp_profiles_get(&settings->profiles, PP_SECTION_SERVICES, services, name);
        found = pp_profiles_below(own, "endpoint_url");
    }
    return found.len ? found : pp_settings_profile_get(settings, "endpoint_url");
}
