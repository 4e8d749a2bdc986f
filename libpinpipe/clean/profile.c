/* Turns a built-in profile's rows into a profile that decoders share.
 * Never lets a text go before the last of its readers.
 * Rules: schema/rules.def. */
#include "clean/profile.h"

#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"

struct pp_profile_text {
    pp_profile_text *next;
    char text[];
};

void pp_profile_record_init(pp_profile_record *out, int32_t record, int32_t shape, pp_profile profile) {
    memset(out, 0, sizeof *out);
    out->step_count = pp_steps(out->step, record, shape);
    if (shape == PINPIPE_CLEAN) {
        pp_steps_profile(out->step, out->step_count, record, profile);
    }
    out->rule_count = pp_rules(out->rule, record, shape, profile);
}

pinpipe_status pp_profile_begin(pinpipe_profile **out, pp_profile base, pinpipe_error *err) {
    *out = NULL;
    pinpipe_profile *profile = pp_alloc_zero(sizeof *profile);
    if (!profile) {
        return pp_fail_memory(err, "a profile", sizeof *profile);
    }
    atomic_init(&profile->holders, 1);
    snprintf(profile->name, sizeof profile->name, "%s", pp_profile_name(base));
    for (int32_t record = 0; record < PP_RECORD_COUNT; record++) {
        pp_profile_record_init(&profile->record[record], record, PINPIPE_CLEAN, base);
    }
    *out = profile;
    return PINPIPE_OK;
}

int32_t pp_profile_find(pinpipe_str name) {
    for (int32_t i = 0; i < PP_PROFILE_COUNT; i++) {
        if (pp_str_is(name, pp_profile_name((pp_profile)i))) {
            return i;
        }
    }
    return -1;
}

pinpipe_status pinpipe_profile_new(pinpipe_profile **out, pinpipe_str name, pinpipe_error *err) {
    *out = NULL;
    int32_t base = pp_profile_find(name);
    if (base < 0) {
        return pp_fail(err, PINPIPE_EINVAL, "no profile '%.*s'; built in are course and keep",
                       pp_quote_len(name.len), name.ptr);
    }
    return pp_profile_begin(out, (pp_profile)base, err);
}

pinpipe_status pp_profile_text_add(const char **out, pinpipe_profile *profile, pinpipe_str text,
                                   pinpipe_error *err) {
    pp_profile_text *held = pp_alloc(sizeof *held + text.len + 1);
    if (!held) {
        return pp_fail_memory(err, "a rule's text", text.len + 1);
    }
    memcpy(held->text, text.ptr, text.len);
    held->text[text.len] = '\0';
    held->next = profile->texts;
    profile->texts = held;
    *out = held->text;
    return PINPIPE_OK;
}

pinpipe_profile *pp_profile_hold(pinpipe_profile *profile) {
    if (profile) {
        atomic_fetch_add(&profile->holders, 1);
    }
    return profile;
}

void pinpipe_profile_free(pinpipe_profile *profile) {
    if (!profile || atomic_fetch_sub(&profile->holders, 1) > 1) {
        return;
    }
    while (profile->texts) {
        pp_profile_text *next = profile->texts->next;
        pp_free(profile->texts);
        profile->texts = next;
    }
    pp_free(profile);
}

const char *pinpipe_profile_name(const pinpipe_profile *profile) {
    return profile->name;
}

int32_t pinpipe_profile_count(const pinpipe_profile *profile, int32_t record) {
    return pp_schema_known(record, PINPIPE_CLEAN) ? profile->record[record].rule_count : 0;
}

pinpipe_status pinpipe_profile_at(pinpipe_rule_info *out, const pinpipe_profile *profile, int32_t record,
                                  int32_t index, pinpipe_error *err) {
    if (index < 0 || index >= pinpipe_profile_count(profile, record)) {
        return pp_fail(err, PINPIPE_EINVAL, "no rule %d of record %d in profile '%s'", index, record,
                       profile->name);
    }
    return pp_rule_info(out, record, &profile->record[record].rule[index], err);
}
