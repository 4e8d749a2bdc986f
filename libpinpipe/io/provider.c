/* Turns a plan, a callback or a key into the key that is valid now, for any number of threads.
 * Never waits for a fetch while there is a valid key, and never runs two fetches at once.
 * Rules: docs/credentials.md, "Renewal". */
#include "io/provider.h"

#include <assert.h>
#include <pthread.h>
#include <sched.h>
#include <time.h>

#include "aws/credentials.h"
#include "aws/endpoint.h"
#include "base/buffer.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/thread.h"
#include "io/clock.h"
#include "io/fork.h"
#include "io/retry.h"
#include "io/settings.h"
#include "io/snapshot.h"

#define REFRESH_S 900   /* before expiry a new key is fetched, while the old one is handed out */
#define MANDATORY_S 300 /* before expiry callers wait for it */
#define STABLE_S 900    /* an instance's old key serves on for this and 2 to 10 minutes */
#define STABLE_MORE_S 120
#define STABLE_SPREAD_S 480
#define FAILURE_KEPT_MS 1000
#define FAILURE_KEPT_MAX_MS 60000
#define GET_MS 60000
#define SLICE_MS 60000
#define NEVER_S INT64_MAX

struct pinpipe_provider {
    atomic_int owners;
    _Atomic uint32_t generation, claimed; /* of the process that the lock and the thread belong to */
    pp_settings settings;
    pp_skew skew;
    pp_fetch fetch;
    pinpipe_credentials_fn callback;
    void (*callback_free)(void *user);
    void *callback_user;
    int32_t refresh;
    pinpipe_buf role_arn, role_session_name, role_external_id; /* behind the plan's last role */
    pp_snapshot snapshot;
    _Atomic int64_t refresh_at_s, mandatory_at_s;
    atomic_bool stop;
    pthread_mutex_t lock; /* of all below, and of writers of the snapshot */
    pthread_cond_t changed;
    pp_provider_watch *watches;
    bool fetching, threaded;
    pthread_t thread;
    int32_t failures;
    int64_t failure_until_ms;
    pinpipe_error failure;
};

/* ---- state ---- */

static void lock_make(pinpipe_provider *provider) {
    pthread_mutex_init(&provider->lock, NULL);
    pp_clock_condition_open(&provider->changed);
}

/* What threads of the parent held or wrote is left as it is; connections are the parent's. */
static void child_begin(pinpipe_provider *provider) {
    lock_make(provider);
    atomic_store(&provider->stop, false);
    provider->watches = NULL;
    provider->fetching = provider->threaded = false;
    provider->failures = 0;
    provider->failure_until_ms = 0;
    provider->fetch.http = provider->fetch.local = NULL;
    provider->fetch.answer = (pp_http_answer){0};
    provider->fetch.body = provider->fetch.imds_token = (pinpipe_buf)PINPIPE_BUF_INIT;
    pp_snapshot_fork(&provider->snapshot);
}

static void fork_look(pinpipe_provider *provider) {
    uint32_t now = pp_fork_generation();
    if (atomic_load(&provider->generation) == now) {
        return;
    }
    uint32_t claimed = atomic_load(&provider->claimed);
    if (claimed != now && atomic_compare_exchange_strong(&provider->claimed, &claimed, now)) {
        child_begin(provider);
        atomic_store(&provider->generation, now);
        return;
    }
    while (atomic_load(&provider->generation) != now) {
        sched_yield();
    }
}

static int64_t now_s(const pinpipe_provider *provider) {
    return pp_fetch_now_s(&provider->fetch);
}

static void wait_until(pinpipe_provider *provider, int64_t monotonic_ms) {
    pp_clock_condition_wait(&provider->changed, &provider->lock, monotonic_ms);
}

/* ---- one fetch; the lock is held before and after, not between ---- */

static void times_set(pinpipe_provider *provider, int64_t refresh_at_s, int64_t mandatory_at_s) {
    atomic_store(&provider->refresh_at_s, refresh_at_s);
    atomic_store(&provider->mandatory_at_s, mandatory_at_s);
}

static int64_t stable_until_s(const pinpipe_provider *provider) {
    return now_s(provider) + STABLE_S + STABLE_MORE_S + (int64_t)(pp_retry_random() * STABLE_SPREAD_S);
}

/* A key that lives for less than half an hour is renewed at half its life. */
static void publish(pinpipe_provider *provider, pinpipe_credentials *key) {
    int64_t expires_s = pinpipe_credentials_expires_s(key);
    int64_t left_s = expires_s - now_s(provider);
    pp_snapshot_set(&provider->snapshot, key);
    if (expires_s == 0) {
        /* A callback that does not say when is asked again, as the AWS CRT does. */
        times_set(provider, provider->callback ? now_s(provider) + REFRESH_S : NEVER_S, NEVER_S);
        return;
    }
    if (left_s <= 0) {
        int64_t again_s = stable_until_s(provider);
        times_set(provider, again_s, again_s);
        return;
    }
    int64_t early_s = left_s / 2 < REFRESH_S ? left_s / 2 : REFRESH_S;
    int64_t late_s = left_s / 6 < MANDATORY_S ? left_s / 6 : MANDATORY_S;
    int64_t jitter_s = (int64_t)((pp_retry_random() - 0.5) * (double)early_s / 5);
    times_set(provider, expires_s - early_s + jitter_s, expires_s - late_s);
}

static pinpipe_status key_make(pinpipe_credentials **out, pinpipe_provider *provider, int64_t deadline_ms,
                               pinpipe_error *err) {
    *out = NULL;
    if (!provider->callback) {
        return pp_fetch_key(out, &provider->fetch, deadline_ms, err);
    }
    pinpipe_error cause = PINPIPE_ERROR_INIT;
    pinpipe_status status = provider->callback(out, provider->callback_user, &cause);
    if (status < 0) {
        return pp_fail_service(err, status, cause.service, cause.native_code,
                               "credentials of the callback: %s", cause.message);
    }
    return *out ? PINPIPE_OK : pp_fail(err, PINPIPE_EAUTH, "credentials of the callback: it made none");
}

static pinpipe_status expiry_check(const pinpipe_provider *provider, const pinpipe_credentials *key,
                                   pinpipe_error *err) {
    int64_t expires_s = pinpipe_credentials_expires_s(key);
    int64_t now = now_s(provider);
    pinpipe_str text = pinpipe_credentials_text(key);
    if (expires_s == 0 || expires_s > now || (!provider->callback && pp_fetch_is_stable(&provider->fetch))) {
        return PINPIPE_OK;
    }
    return pp_fail(err, PINPIPE_EAUTH, "credentials of %.*s: they expired %lld s ago",
                   text.len > 160 ? 160 : (int)text.len, text.ptr, (long long)(now - expires_s));
}

static void failure_keep(pinpipe_provider *provider, const pinpipe_error *failure, bool had_time) {
    int64_t kept_ms = FAILURE_KEPT_MS;
    for (int32_t i = 0; i < provider->failures && kept_ms < FAILURE_KEPT_MAX_MS; i++) {
        kept_ms *= 2;
    }
    kept_ms = kept_ms < FAILURE_KEPT_MAX_MS ? kept_ms : FAILURE_KEPT_MAX_MS;
    kept_ms -= (int64_t)(pp_retry_random() * (double)kept_ms / 5);
    provider->failure = *failure;
    /* A caller in a hurry says nothing about the place. */
    provider->failure_until_ms = had_time ? pp_clock_monotonic_ms() + kept_ms : 0;
    provider->failures += had_time ? 1 : 0;
    pinpipe_credentials *last = pp_snapshot_get(&provider->snapshot);
    if (last && !provider->callback && pp_fetch_is_stable(&provider->fetch)) {
        int64_t again_s = stable_until_s(provider);
        int64_t late_s = pinpipe_credentials_expires_s(last) - MANDATORY_S;
        times_set(provider, again_s, late_s > again_s ? late_s : again_s);
    }
    pinpipe_credentials_free(last);
    pp_log(PP_LOG_WARNING, "credentials", "%s%s", failure->message,
           last ? "; the last key serves on while it can" : "");
}

static pinpipe_status fetch_once(pinpipe_provider *provider, int64_t deadline_ms, pinpipe_error *err) {
    pinpipe_credentials *key = NULL;
    int64_t begun_ms = pp_clock_monotonic_ms();
    provider->fetching = true;
    pthread_mutex_unlock(&provider->lock);
    pinpipe_status status = key_make(&key, provider, deadline_ms, err);
    if (status == PINPIPE_OK) {
        status = expiry_check(provider, key, err);
    }
    pthread_mutex_lock(&provider->lock);
    provider->fetching = false;
    if (status == PINPIPE_OK) {
        provider->failures = 0;
        provider->failure_until_ms = 0;
        publish(provider, key);
        for (pp_provider_watch *watch = provider->watches; watch; watch = watch->next) {
            watch->changed(watch->user);
        }
    } else {
        pinpipe_credentials_free(key);
        failure_keep(provider, err, status != PINPIPE_ETIMEOUT || deadline_ms - begun_ms >= GET_MS);
    }
    pthread_cond_broadcast(&provider->changed);
    return status;
}

/* ---- the thread ---- */

static void *refresh_main(void *user) {
    pinpipe_provider *provider = user;
    pthread_mutex_lock(&provider->lock);
    while (!atomic_load(&provider->stop)) {
        int64_t left_s = atomic_load(&provider->refresh_at_s) - now_s(provider);
        int64_t now_ms = pp_clock_monotonic_ms();
        if (left_s <= 0 && !provider->fetching && now_ms >= provider->failure_until_ms) {
            pinpipe_error failure = PINPIPE_ERROR_INIT;
            pinpipe_status status = fetch_once(provider, pp_clock_monotonic_ms() + GET_MS, &failure);
            (void)status; /* kept in the provider, and logged */
            continue;
        }
        int64_t until_ms = now_ms + (left_s < SLICE_MS / 1000 ? left_s * 1000 : SLICE_MS);
        if (left_s <= 0) {
            until_ms = provider->fetching ? now_ms + SLICE_MS : provider->failure_until_ms;
        }
        wait_until(provider, until_ms);
    }
    pthread_mutex_unlock(&provider->lock);
    return NULL;
}

/* With the lock held. A machine without threads to spare renews by its callers. */
static void thread_begin(pinpipe_provider *provider) {
    bool needed = provider->refresh == PINPIPE_REFRESH_THREAD && !provider->threaded &&
                  !atomic_load(&provider->stop) && atomic_load(&provider->refresh_at_s) > 0 &&
                  atomic_load(&provider->refresh_at_s) != NEVER_S;
    if (!needed) {
        return;
    }
    provider->threaded = pp_thread_start(&provider->thread, "pinpipe-keys", refresh_main, provider);
    if (!provider->threaded) {
        pp_log(PP_LOG_WARNING, "credentials", "no thread for renewing them; callers will do it");
    }
}

/* A reader found that renewal is due. It never waits here: whoever holds the lock sees to it. */
static void refresh_nudge(pinpipe_provider *provider) {
    if (pthread_mutex_trylock(&provider->lock) != 0) {
        return;
    }
    thread_begin(provider);
    bool own = !provider->threaded && !provider->fetching &&
               pp_clock_monotonic_ms() >= provider->failure_until_ms &&
               now_s(provider) >= atomic_load(&provider->refresh_at_s);
    if (own) {
        pinpipe_error failure = PINPIPE_ERROR_INIT;
        pinpipe_status status = fetch_once(provider, pp_clock_monotonic_ms() + GET_MS, &failure);
        (void)status; /* the old key is valid */
    } else {
        pthread_cond_broadcast(&provider->changed);
    }
    pthread_mutex_unlock(&provider->lock);
}

/* ---- callers ---- */

/* The newest key while it has more than its last minutes to go. */
static pinpipe_credentials *fresh_get(pinpipe_provider *provider) {
    int64_t mandatory_at_s = atomic_load(&provider->mandatory_at_s); /* before the key that it belongs to */
    return now_s(provider) < mandatory_at_s ? pp_snapshot_get(&provider->snapshot) : NULL;
}

/* The newest key while it has not expired, or for the time that an instance's serves on. */
static pinpipe_credentials *last_get(pinpipe_provider *provider) {
    pinpipe_credentials *key = pp_snapshot_get(&provider->snapshot);
    int64_t expires_s = key ? pinpipe_credentials_expires_s(key) : 0;
    bool stale = key && expires_s && now_s(provider) >= expires_s &&
                 now_s(provider) >= atomic_load(&provider->mandatory_at_s);
    if (stale) {
        pinpipe_credentials_free(key);
        key = NULL;
    }
    return key;
}

static pinpipe_status fetched_get(pinpipe_credentials **out, pinpipe_provider *provider, int64_t deadline_ms,
                                  pinpipe_error *err) {
    pinpipe_status status = PINPIPE_OK;
    pthread_mutex_lock(&provider->lock);
    for (;;) {
        *out = fresh_get(provider);
        int64_t now_ms = pp_clock_monotonic_ms();
        if (*out) {
            status = PINPIPE_OK;
            break;
        }
        if (now_ms < provider->failure_until_ms) {
            status = provider->failure.status;
        } else if (now_ms >= deadline_ms) {
            status = pp_fail(&provider->failure, PINPIPE_ETIMEOUT, "no credentials within the time given");
        } else if (!provider->fetching) {
            pinpipe_error failure = PINPIPE_ERROR_INIT;
            status = fetch_once(provider, deadline_ms, &failure);
        } else {
            wait_until(provider, deadline_ms);
            continue;
        }
        if (status < 0) {
            *out = last_get(provider);
            break;
        }
    }
    if (status < 0 && *out) {
        status = PINPIPE_OK;
    } else if (status < 0 && err && err->struct_size >= sizeof *err) {
        *err = provider->failure;
    }
    thread_begin(provider);
    pthread_mutex_unlock(&provider->lock);
    return status;
}

pinpipe_status pinpipe_provider_get(pinpipe_credentials **out, pinpipe_provider *provider, int64_t timeout_ms,
                                    pinpipe_error *err) {
    assert(out && provider);
    *out = NULL;
    if (timeout_ms < 0) {
        return pp_fail(err, PINPIPE_EINVAL, "timeout: %lld ms", (long long)timeout_ms);
    }
    fork_look(provider);
    int64_t refresh_at_s = atomic_load(&provider->refresh_at_s);
    *out = fresh_get(provider);
    if (!*out) {
        return fetched_get(out, provider, pp_clock_monotonic_ms() + (timeout_ms ? timeout_ms : GET_MS), err);
    }
    if (refresh_at_s != NEVER_S && now_s(provider) >= refresh_at_s) {
        refresh_nudge(provider);
    }
    return PINPIPE_OK;
}

pinpipe_credentials *pp_provider_peek(pinpipe_provider *provider) {
    fork_look(provider);
    return last_get(provider);
}

bool pp_provider_is_by_caller(const pinpipe_provider *provider) {
    return provider->refresh == PINPIPE_REFRESH_CALLER;
}

void pp_provider_watch_add(pinpipe_provider *provider, pp_provider_watch *watch) {
    fork_look(provider);
    pthread_mutex_lock(&provider->lock);
    watch->next = provider->watches;
    provider->watches = watch;
    pthread_mutex_unlock(&provider->lock);
}

void pp_provider_watch_remove(pinpipe_provider *provider, pp_provider_watch *watch) {
    fork_look(provider);
    pthread_mutex_lock(&provider->lock);
    pp_provider_watch **at = &provider->watches;
    while (*at && *at != watch) {
        at = &(*at)->next;
    }
    *at = *at ? watch->next : NULL;
    pthread_mutex_unlock(&provider->lock);
}

void pp_provider_expire(pinpipe_provider *provider, const pinpipe_credentials *used) {
    fork_look(provider);
    pthread_mutex_lock(&provider->lock);
    pinpipe_credentials *newest = pp_snapshot_get(&provider->snapshot);
    if (newest == used && pinpipe_credentials_expires_s(newest) > 0) {
        times_set(provider, 0, 0);
    }
    pinpipe_credentials_free(newest);
    pthread_mutex_unlock(&provider->lock);
}

/* ---- making and freeing ---- */

static pinpipe_status options_check(const pinpipe_provider_options *options, pinpipe_error *err) {
    if (options->struct_size < sizeof *options) {
        return pp_fail(err, PINPIPE_EINVAL, "provider options lack their struct_size");
    }
    int given =
        (options->credentials ? 1 : 0) + (options->callback ? 1 : 0) + (options->csv_path.len ? 1 : 0);
    if (given > 1) {
        return pp_fail(err, PINPIPE_EINVAL, "credentials, callback and csv_path exclude each other");
    }
    if (given && options->role_arn.len) {
        return pp_fail(err, PINPIPE_EINVAL,
                       "role '%.*s': it is assumed with the default chain's key, and another one was given",
                       pp_quote_len(options->role_arn.len), options->role_arn.ptr);
    }
    if (options->refresh < PINPIPE_REFRESH_THREAD || options->refresh > PINPIPE_REFRESH_CALLER) {
        return pp_fail(err, PINPIPE_EINVAL, "refresh: %d is none", options->refresh);
    }
    return PINPIPE_OK;
}

static pinpipe_status role_add(pinpipe_provider *made, const pinpipe_provider_options *options,
                               pinpipe_error *err) {
    pp_plan *plan = &made->fetch.plan;
    pinpipe_str arn = options->role_arn, session = options->role_session_name,
                external = options->role_external_id;
    if (!arn.len) {
        return PINPIPE_OK;
    }
    if (plan->role_count == PP_ROLES_MAX) {
        return pp_fail(err, PINPIPE_EAUTH, "role '%.*s': more than %d roles in a chain",
                       pp_quote_len(arn.len), arn.ptr, PP_ROLES_MAX);
    }
    pinpipe_status status = pp_buf_append(&made->role_arn, arn.ptr, arn.len, err);
    if (status == PINPIPE_OK) {
        status = pp_buf_append(&made->role_session_name, session.ptr, session.len, err);
    }
    if (status == PINPIPE_OK) {
        status = pp_buf_append(&made->role_external_id, external.ptr, external.len, err);
    }
    plan->roles[plan->role_count++] = (pp_role){.arn = pp_buf_view(&made->role_arn),
                                                .session_name = pp_buf_view(&made->role_session_name),
                                                .external_id = pp_buf_view(&made->role_external_id)};
    return status;
}

static pinpipe_status source_set(pinpipe_provider *made, const pinpipe_provider_options *options,
                                 pinpipe_error *err) {
    pinpipe_credentials *key = pp_credentials_retain(options->credentials);
    pinpipe_status status = PINPIPE_OK;
    made->callback = options->callback;
    made->callback_user = options->callback_user;
    made->refresh = options->refresh;
    if (options->csv_path.len) {
        status = pp_credentials_csv_read(&key, options->csv_path, err);
    }
    if (status == PINPIPE_OK && key) {
        pp_snapshot_set(&made->snapshot, key);
        times_set(made, NEVER_S, NEVER_S);
        return PINPIPE_OK;
    }
    if (status < 0 || made->callback) {
        return status;
    }
    status = pp_plan_make(&made->fetch.plan, &made->settings, options->sources, err);
    return status == PINPIPE_OK ? role_add(made, options, err) : status;
}

/* Whoever brings a key does not fail for a file that he does not need. */
static pinpipe_status settings_take(pinpipe_provider *made, const pinpipe_provider_options *options,
                                    pinpipe_error *err) {
    bool own_key = options->credentials || options->callback || options->csv_path.len;
    pinpipe_error cause = PINPIPE_ERROR_INIT;
    pinpipe_status status = pp_settings_load(&made->settings, options->profile, options->region, err);
    if (status < 0) {
        return status;
    }
    status = pp_settings_read(&made->settings, &cause);
    if (status < 0 && (!own_key || options->profile.len || status == PINPIPE_ENOMEM)) {
        return pp_fail_service(err, status, cause.service, cause.native_code, "%s", cause.message);
    }
    if (status < 0) {
        pp_log(PP_LOG_WARNING, "credentials", "profiles are left out: %s", cause.message);
        pp_profiles_reset(&made->settings.profiles);
    }
    pinpipe_str region = pp_settings_region(&made->settings);
    return region.len ? pp_region_check(region, err) : PINPIPE_OK;
}

pinpipe_status pp_provider_new(pinpipe_provider **out, const pinpipe_provider_options *options,
                               const pp_fetch_tuning *tuning, pinpipe_error *err) {
    const pinpipe_provider_options defaults = PINPIPE_PROVIDER_OPTIONS_INIT;
    assert(out);
    *out = NULL;
    options = options ? options : &defaults;
    pinpipe_status status = options_check(options, err);
    if (status < 0) {
        return status;
    }
    pinpipe_provider *made = pp_alloc_zero(sizeof *made);
    if (!made) {
        return pp_fail_memory(err, "a credentials provider", sizeof *made);
    }
    atomic_init(&made->owners, 1);
    atomic_init(&made->generation, pp_fork_generation());
    atomic_init(&made->claimed, pp_fork_generation());
    made->failure = (pinpipe_error)PINPIPE_ERROR_INIT;
    lock_make(made);
    made->fetch = (pp_fetch){.settings = &made->settings, .skew = &made->skew, .stop = &made->stop};
    if (tuning) {
        made->fetch.tuning = *tuning;
    }
    status = settings_take(made, options, err);
    if (status == PINPIPE_OK) {
        status = source_set(made, options, err);
    }
    if (status == PINPIPE_OK) {
        status = pp_fetch_name(&made->fetch, err);
    }
    if (status == PINPIPE_OK) {
        made->callback_free = options->callback_free;
        *out = made;
        made = NULL;
    }
    pinpipe_provider_free(made);
    return status;
}

pinpipe_status pinpipe_provider_new(pinpipe_provider **out, const pinpipe_provider_options *options,
                                    pinpipe_error *err) {
    return pp_provider_new(out, options, NULL, err);
}

pinpipe_provider *pp_provider_retain(const pinpipe_provider *provider) {
    pinpipe_provider *shared = (pinpipe_provider *)provider;
    if (shared) {
        atomic_fetch_add(&shared->owners, 1);
    }
    return shared;
}

static void thread_end(pinpipe_provider *provider) {
    pthread_mutex_lock(&provider->lock);
    atomic_store(&provider->stop, true);
    bool threaded = provider->threaded;
    pthread_cond_broadcast(&provider->changed);
    pthread_mutex_unlock(&provider->lock);
    if (threaded) {
        pthread_join(provider->thread, NULL);
    }
    pthread_cond_destroy(&provider->changed);
    pthread_mutex_destroy(&provider->lock);
}

void pinpipe_provider_free(pinpipe_provider *provider) {
    if (!provider || atomic_fetch_sub(&provider->owners, 1) != 1) {
        return;
    }
    fork_look(provider);
    thread_end(provider);
    if (provider->callback_free) {
        provider->callback_free(provider->callback_user);
    }
    pp_fetch_reset(&provider->fetch);
    pp_snapshot_reset(&provider->snapshot);
    pp_settings_reset(&provider->settings);
    pinpipe_buf_reset(&provider->role_arn);
    pinpipe_buf_reset(&provider->role_session_name);
    pinpipe_buf_reset(&provider->role_external_id);
    pp_free(provider);
}

/* ---- what else it knows ---- */

int64_t pinpipe_provider_time_s(pinpipe_provider *provider) {
    return now_s(provider);
}

pp_skew *pp_provider_skew(pinpipe_provider *provider) {
    return &provider->skew;
}

const pp_settings *pp_provider_settings(const pinpipe_provider *provider) {
    return &provider->settings;
}

pinpipe_str pinpipe_provider_region(const pinpipe_provider *provider) {
    return pp_settings_region(&provider->settings);
}

pinpipe_status pinpipe_provider_endpoint(pinpipe_buf *out, const pinpipe_provider *provider,
                                         pinpipe_str service, pinpipe_error *err) {
    assert(out && provider);
    return pp_settings_endpoint_write(out, &provider->settings, service, err);
}
