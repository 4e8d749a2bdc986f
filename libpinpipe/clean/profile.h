/* The inside of a profile: the steps and rules of each record's clean shape, and the texts that they borrow.
 * Never changes after it is made.
 * Rules: include/pinpipe/profile.h. */
#ifndef PP_CLEAN_PROFILE_H
#define PP_CLEAN_PROFILE_H

#include <stdatomic.h>

#include "pinpipe/profile.h"
#include "schema/schema.h"

#define PP_PROFILE_NAME_MAX 64

/** One record's steps and rules. */
typedef struct pp_profile_record {
    int32_t step_count;
    int32_t rule_count;
    pp_step step[PP_CLEAN_MAX];
    pp_rule rule[PP_RULES_MAX];
} pp_profile_record;

typedef struct pp_profile_text pp_profile_text;

struct pinpipe_profile {
    atomic_int holders;
    char name[PP_PROFILE_NAME_MAX];
    pp_profile_text *texts; /* owned; the newest first */
    pp_profile_record record[PP_RECORD_COUNT];
};

/** The steps and rules of a record and shape with the effects of a built-in profile. */
void pp_profile_record_init(pp_profile_record *out, int32_t record, int32_t shape, pp_profile profile);

/** A profile with the effects of a built-in one, to be changed before it is given away. */
pinpipe_status pp_profile_begin(pinpipe_profile **out, pp_profile base, pinpipe_error *err);

/** Copies a text that lives as long as the profile. Errors: ENOMEM. */
pinpipe_status pp_profile_text_add(const char **out, pinpipe_profile *profile, pinpipe_str text,
                                   pinpipe_error *err);

/** The built-in profile of that name, or -1. */
int32_t pp_profile_find(pinpipe_str name);

/** One more holder; NULL stays NULL. */
pinpipe_profile *pp_profile_hold(pinpipe_profile *profile);

#endif
