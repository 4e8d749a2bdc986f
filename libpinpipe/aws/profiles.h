/* Turns the texts of the config and the credentials file into profiles, SSO sessions and service sections.
 * Never opens a file and never quotes a value of one in an error.
 * Rules: docs/credentials.md, "Profiles"; AWS SDKs and Tools Reference Guide, "Shared config and credentials
 * files". */
#ifndef PP_AWS_PROFILES_H
#define PP_AWS_PROFILES_H

#include "base/error.h"
#include "pinpipe/value.h"

/** Largest files in bytes. */
#define PP_PROFILES_CONFIG_MAX ((size_t)1 << 20)
#define PP_PROFILES_CREDENTIALS_MAX ((size_t)64 << 10)

typedef enum pp_profiles_file {
    PP_PROFILES_CONFIG = 0,     /* [profile x], [sso-session x], [services x] */
    PP_PROFILES_CREDENTIALS = 1 /* [x] */
} pp_profiles_file;

typedef enum pp_section_kind {
    PP_SECTION_PROFILE = 0,
    PP_SECTION_SSO_SESSION = 1,
    PP_SECTION_SERVICES = 2,
} pp_section_kind;

/** Sections of both files. Starts zeroed. */
typedef struct pp_profiles {
    pinpipe_buf texts[2]; /* by pp_profiles_file; what the entries point into */
    struct pp_profile_entry *entries;
    size_t count, cap;
    bool default_prefixed; /* [profile default] was there: [default] of the config file gives way */
} pp_profiles;

/** Parses `text`, which it takes over in every case. `path` is for errors.
 * Errors: EDATA a line that is none of section, property, continuation or comment, by its number; ELIMIT;
 * ENOMEM. */
pinpipe_status pp_profiles_add(pp_profiles *profiles, pinpipe_buf *text, pp_profiles_file file,
                               const char *path, pinpipe_error *err);

/** True where one of the files has the section, be it empty. */
bool pp_profiles_has(const pp_profiles *profiles, pp_section_kind kind, pinpipe_str name);

/** The value of a key, borrowed; empty where it is missing. The credentials file wins. */
pinpipe_str pp_profiles_get(const pp_profiles *profiles, pp_section_kind kind, pinpipe_str name,
                            const char *key);

/** True where that file itself has a value for the key of a profile. */
bool pp_profiles_file_has(const pp_profiles *profiles, pp_profiles_file file, pinpipe_str name,
                          const char *key);

/** The value of a property below `value`, as in "s3 =\n  endpoint_url = …"; borrowed, empty where missing. */
pinpipe_str pp_profiles_below(pinpipe_str value, const char *key);

/** Wipes and frees. */
void pp_profiles_reset(pp_profiles *profiles);

#endif
