/* Turns the failure of an attempt into the pause before the next one, or into the end of the call.
 * Never gives quota back for a failure.
 * Rules: docs/credentials.md, "Retries"; reference/signing.md §4.1. */
#include "io/retry.h"

#include <sys/random.h>

#include "base/buffer.h"

#define BASE_MS 50
#define BASE_SLOW_MS 1000
#define COST_THROTTLED 5
#define COST_OTHER 14
#define COST_FORMER 5
#define COST_FORMER_TIMEOUT 10
#define PARTIAL_MAX_MS 5000
#define HINT_READ_MAX_MS 3600000

typedef struct refusal_row {
    const char *code;
    pp_retry_kind kind;
} refusal_row;

static const refusal_row refusal_rows[] = {
#define PP_REFUSAL(code, kind) {code, PP_RETRY_##kind},
#include "aws/refusals.def"
#undef PP_REFUSAL
};

void pp_retry_init(pp_retry *retry, pp_retry_mode mode, int32_t attempts_max) {
    retry->mode = mode;
    retry->attempts_max = attempts_max;
    atomic_init(&retry->quota, PP_RETRY_QUOTA);
}

pp_retry_kind pp_retry_kind_of(pinpipe_str code, int32_t http_status) {
    for (size_t i = 0; i < sizeof refusal_rows / sizeof refusal_rows[0]; i++) {
        if (pp_str_is(code, refusal_rows[i].code)) {
            return refusal_rows[i].kind;
        }
    }
    switch (http_status) {
    case 500:
    case 502:
    case 503:
    case 504:
        return PP_RETRY_TRANSIENT;
    case 429:
        return PP_RETRY_THROTTLED;
    default:
        return PP_RETRY_NEVER;
    }
}

pp_retry_kind pp_retry_kind_of_status(pinpipe_status status) {
    if (status == PINPIPE_ETIMEOUT) {
        return PP_RETRY_TIMEOUT;
    }
    return status == PINPIPE_ENET ? PP_RETRY_TRANSIENT : PP_RETRY_NEVER;
}

/* base · 2^(round - 1), at most `max_ms`. */
static int64_t doubled(int64_t base_ms, int32_t round, int64_t max_ms) {
    for (int32_t i = 1; i < round && base_ms < max_ms; i++) {
        base_ms *= 2;
    }
    return base_ms < max_ms ? base_ms : max_ms;
}

int64_t pp_retry_pause_ms(int32_t attempt, pinpipe_status status, double random) {
    int64_t base_ms = status == PINPIPE_ETHROTTLED ? BASE_SLOW_MS : BASE_MS;
    return (int64_t)(random * (double)doubled(base_ms, attempt, PP_RETRY_PAUSE_MAX_MS));
}

static int64_t cost_of(const pp_retry *retry, pp_retry_kind kind) {
    if (retry->mode == PP_RETRY_STANDARD_FORMER) {
        return kind == PP_RETRY_TIMEOUT ? COST_FORMER_TIMEOUT : COST_FORMER;
    }
    return kind == PP_RETRY_THROTTLED ? COST_THROTTLED : COST_OTHER;
}

static bool quota_take(pp_retry *retry, int64_t cost) {
    int64_t quota = atomic_load(&retry->quota);
    while (quota >= cost) {
        if (atomic_compare_exchange_weak(&retry->quota, &quota, quota - cost)) {
            return true;
        }
    }
    return false;
}

bool pp_retry_next(int64_t *pause_ms, pp_retry *retry, pp_retry_call *call, const pp_retry_failure *failure,
                   double random) {
    *pause_ms = 0;
    call->failed++;
    bool passing = failure->kind == PP_RETRY_TRANSIENT || failure->kind == PP_RETRY_TIMEOUT ||
                   failure->kind == PP_RETRY_THROTTLED;
    int64_t cost = cost_of(retry, failure->kind);
    if (!passing || call->failed >= retry->attempts_max || !quota_take(retry, cost)) {
        return false;
    }
    call->cost = cost;
    bool former = retry->mode == PP_RETRY_STANDARD_FORMER;
    int64_t base_ms = former || failure->kind == PP_RETRY_THROTTLED ? BASE_SLOW_MS : BASE_MS;
    int64_t pause = (int64_t)(random * (double)doubled(base_ms, call->failed, PP_RETRY_PAUSE_MAX_MS));
    if (!former && failure->hint_ms > pause) {
        int64_t most = pause + PP_RETRY_HINT_MAX_MS;
        pause = failure->hint_ms < most ? failure->hint_ms : most;
    }
    *pause_ms = pause < failure->retry_after_ms ? failure->retry_after_ms : pause;
    return true;
}

void pp_retry_done(pp_retry *retry, const pp_retry_call *call) {
    int64_t back = call->cost ? call->cost : 1;
    int64_t quota = atomic_load(&retry->quota);
    int64_t more = 0;
    do {
        more = quota + back < PP_RETRY_QUOTA ? quota + back : PP_RETRY_QUOTA;
    } while (!atomic_compare_exchange_weak(&retry->quota, &quota, more));
}

int64_t pp_retry_partial_ms(int32_t round, double random) {
    return (int64_t)(random * (double)doubled(BASE_MS, round, PARTIAL_MAX_MS));
}

double pp_retry_random(void) {
    uint32_t bits = 0;
    if (getrandom(&bits, sizeof bits, 0) != (ssize_t)sizeof bits) {
        return 0.5; /* cannot be for 4 bytes after boot; the middle is a pause too */
    }
    return (double)bits / 4294967296.0;
}

static int64_t digits_read(pinpipe_str text, int64_t max) {
    int64_t value = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9' || value > max) {
            return -1;
        }
        value = value * 10 + (text.ptr[i] - '0');
    }
    return text.len ? value : -1;
}

int64_t pp_retry_after_read(pinpipe_str text) {
    int64_t seconds = digits_read(text, HINT_READ_MAX_MS);
    return seconds < 0 || seconds > 999999 ? -1 : seconds * 1000;
}

int64_t pp_retry_hint_read(pinpipe_str text) {
    return digits_read(text, HINT_READ_MAX_MS);
}
