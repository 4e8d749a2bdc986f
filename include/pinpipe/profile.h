/* What cleaning takes for a value: the effects of its rules, as a built-in profile or a user's rule file.
 * Never changes what can be read at all: the rules that reject a record are the same in every profile.
 * Rules: libpinpipe/schema/rules.def; docs/profiles.md shows rule files. */
#ifndef PINPIPE_PROFILE_H
#define PINPIPE_PROFILE_H

#include "schema.h"

PINPIPE_BEGIN_DECLS

/** The effects of all rules of all record types. Immutable: any thread may read it. */
typedef struct pinpipe_profile pinpipe_profile;

/** A built-in profile: "course", the default, or "keep", which gives the columns their types and no more.
 * Owns: the caller frees it. Errors: EINVAL no such profile, ENOMEM. */
PINPIPE_API pinpipe_status pinpipe_profile_new(pinpipe_profile **out, pinpipe_str name,
                                               pinpipe_error *err) PINPIPE_MUST_CHECK;

/** Reads a rule file: a JSON object with `name`, `base`, `rules` and `columns`, all of them optional;
 * `expect` is left to other readers. At most 1 MiB. Owns: the caller frees it. Errors: EDATA what is wrong,
 * and where; ENOMEM. */
PINPIPE_API pinpipe_status pinpipe_profile_decode(pinpipe_profile **out, pinpipe_str json,
                                                  pinpipe_error *err) PINPIPE_MUST_CHECK;

/** Lets the profile go; decoders that were made with it keep it as long as they need it. */
PINPIPE_API void pinpipe_profile_free(pinpipe_profile *profile);

/** The profile's name. Lives as long as the profile. */
PINPIPE_API const char *pinpipe_profile_name(const pinpipe_profile *profile);

/** Number of rules that cleaning a record may apply, those that are off too; a report counts hits by their
 * index. 0 for an unknown record. */
PINPIPE_API int32_t pinpipe_profile_count(const pinpipe_profile *profile, int32_t record);

/** Fills `out` with rule `index`; its texts live as long as the profile. Errors: EINVAL unknown record or
 * index. */
PINPIPE_API pinpipe_status pinpipe_profile_at(pinpipe_rule_info *out, const pinpipe_profile *profile,
                                              int32_t record, int32_t index,
                                              pinpipe_error *err) PINPIPE_MUST_CHECK;

PINPIPE_END_DECLS

#endif
