/* Turns a service, a region and what the surroundings say into the URL to send to.
 * Never resolves a name and never lets a region reach a URL unchecked.
 * Rules: aws/partitions.def; docs/credentials.md, "Regions and endpoints". */
#ifndef PP_AWS_ENDPOINT_H
#define PP_AWS_ENDPOINT_H

#include "aws/chain.h"

#define PP_ENDPOINT_FIPS_HOST 1u
#define PP_ENDPOINT_DUALSTACK 2u

/** What an endpoint is asked for. */
typedef struct pp_endpoint_query {
    pinpipe_str service; /* "s3", "kinesis", "sts", "sso" */
    pinpipe_str region;
    uint32_t variants; /* PP_ENDPOINT_… */
} pp_endpoint_query;

/** Errors: EINVAL not 1 to 63 of a to z, digits and '-'. */
pinpipe_status pp_region_check(pinpipe_str region, pinpipe_error *err);

/** The id of the region's partition; "aws" for regions that no partition knows. Static text. */
const char *pp_region_partition(pinpipe_str region);

/** Appends Amazon's own endpoint, "https://kinesis.eu-west-1.amazonaws.com".
 * Errors: EINVAL the region; FIPS where the partition has none of it. */
pinpipe_status pp_endpoint_compute(pinpipe_buf *out, const pp_endpoint_query *query, pinpipe_error *err);

/** The variants that AWS_USE_FIPS_ENDPOINT, AWS_USE_DUALSTACK_ENDPOINT or the profile ask for. */
uint32_t pp_settings_variants(const pp_settings *settings);

/** The URL that environment or profile have for a service: AWS_ENDPOINT_URL_<SERVICE>, AWS_ENDPOINT_URL, the
 * profile's `services` section, its endpoint_url; empty where none has, or they are to be ignored. */
pinpipe_str pp_settings_endpoint(const pp_settings *settings, pinpipe_str service);

#endif
