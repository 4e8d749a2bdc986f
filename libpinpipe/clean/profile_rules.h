/* The change of one rule or column of a profile, checked against what its column can take.
 * Never reads a file format; profile_file.c does.
 * Rules: docs/profiles.md. */
#ifndef PP_CLEAN_PROFILE_RULES_H
#define PP_CLEAN_PROFILE_RULES_H

#include "clean/profile.h"

/** Most rules of a user's own that one record type takes. */
#define PP_OWN_RULES_MAX 96
/** Most bytes of a marker's text, of what FILLED writes, and of a prefix or separator. */
#define PP_RULE_TEXT_MAX 256
#define PP_FILL_TEXT_MAX 64

/** What a rule file says of one rule. Texts that were not given have a NULL pointer. */
typedef struct pp_rule_change {
    pinpipe_str id;     /* record.column.suffix; a part of it may be '*' */
    pinpipe_str effect; /* its name */
    pinpipe_str text;   /* an own marker */
    pinpipe_str match;
    pinpipe_str source;
    pinpipe_str value; /* of FILLED: a text, or the number's spelling */
    bool is_number;    /* the value was a number */
} pp_rule_change;

/** What a rule file says of one column. */
typedef struct pp_column_change {
    pinpipe_str id; /* record.column */
    pinpipe_str prefix;
    pinpipe_str separator;
    pinpipe_str order[2]; /* raw columns */
} pp_column_change;

/** True for an id with '*' in it. */
bool pp_rule_is_pattern(pinpipe_str id);

/** Applies one change. Errors: EDATA names the rule and what is wrong with it; ENOMEM. */
pinpipe_status pp_profile_rule_change(pinpipe_profile *profile, const pp_rule_change *change,
                                      pinpipe_error *err);
pinpipe_status pp_profile_column_change(pinpipe_profile *profile, const pp_column_change *change,
                                        pinpipe_error *err);

#endif
