/* Turns members with a clock that the test turns into leases that are taken, renewed, lost, asked for and
 * handed over, on a folder and on a store that answers as it is told.
 * Never waits: time is a number. Rules: docs/stream.md, "Groups". */
#include "pipeline/lease.h"

#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "check.h"
#include "io/folder.h"

#define MEMBERS 3
#define LEASE_MS 1000
#define WAIT_MS 2000

static int64_t clock_ms = 1000000;
static char folder[64] = "/tmp/pinpipe-lease-XXXXXX";
static char url[96];

static int64_t now(void) {
    return clock_ms;
}

static pinpipe_leases *member(const char *owner) {
    pinpipe_leases_options options = PINPIPE_LEASES_OPTIONS_INIT;
    pp_lease_store *store = NULL;
    pinpipe_leases *leases = NULL;
    pinpipe_error err = PINPIPE_ERROR_INIT;
    options.owner = pp_str(owner);
    options.lease_ms = LEASE_MS;
    CHECK_INT(pp_lease_store_open(&store, pp_str(url), NULL, &err), PINPIPE_OK);
    CHECK_INT(pp_leases_new(&leases, store, &options, now, &err), PINPIPE_OK);
    return leases;
}

static void shards_put(pinpipe_leases *leases, int count) {
    for (int i = 0; i < count; i++) {
        char name[32];
        snprintf(name, sizeof name, "shardId-%012d", i);
        CHECK_INT(pinpipe_leases_put(leases, pp_str(name), (pinpipe_str){0}, (pinpipe_str){0}, NULL), 0);
    }
}

static pinpipe_lease lease_of(const pinpipe_leases *leases, const char *shard) {
    pinpipe_lease found = PINPIPE_LEASE_INIT;
    for (int64_t i = 0; i < pinpipe_leases_count(leases); i++) {
        CHECK_INT(pinpipe_leases_at(&found, leases, i, NULL), PINPIPE_OK);
        if (pp_str_is(found.shard, shard)) {
            return found;
        }
    }
    found.state = -1;
    return found;
}

static int64_t held(const pinpipe_leases *leases) {
    int64_t count = 0;
    for (int64_t i = 0; i < pinpipe_leases_count(leases); i++) {
        pinpipe_lease found = PINPIPE_LEASE_INIT;
        CHECK_INT(pinpipe_leases_at(&found, leases, i, NULL), PINPIPE_OK);
        count += found.state == PINPIPE_LEASE_OURS || found.state == PINPIPE_LEASE_ASKED;
    }
    return count;
}

/* What a member's program does: one round, and whatever it is asked for is handed over. */
static void turn(pinpipe_leases *leases) {
    pinpipe_error err = PINPIPE_ERROR_INIT;
    pinpipe_status status = pinpipe_leases_poll(leases, WAIT_MS, &err);
    CHECK(status >= 0);
    for (int64_t i = 0; i < pinpipe_leases_count(leases); i++) {
        pinpipe_lease found = PINPIPE_LEASE_INIT;
        CHECK_INT(pinpipe_leases_at(&found, leases, i, NULL), PINPIPE_OK);
        if (found.state == PINPIPE_LEASE_ASKED) {
            char shard[64];
            snprintf(shard, sizeof shard, "%.*s", (int)found.shard.len, found.shard.ptr);
            CHECK_INT(pinpipe_leases_commit(leases, pp_str(shard), pp_str("77"), 3, WAIT_MS, &err), 0);
            CHECK_INT(pinpipe_leases_release(leases, pp_str(shard), WAIT_MS, &err), 0);
        }
    }
}

/* Never two members with one lease. */
static void check_apart(pinpipe_leases *const *all, int shards) {
    for (int i = 0; i < shards; i++) {
        char name[32];
        int owners = 0;
        snprintf(name, sizeof name, "shardId-%012d", i);
        for (int k = 0; k < MEMBERS; k++) {
            int32_t state = all[k] ? lease_of(all[k], name).state : PINPIPE_LEASE_OTHERS;
            owners += state == PINPIPE_LEASE_OURS || state == PINPIPE_LEASE_ASKED;
        }
        CHECK(owners <= 1);
    }
}

static void folder_make(void) {
    memcpy(folder, "/tmp/pinpipe-lease-XXXXXX", sizeof "/tmp/pinpipe-lease-XXXXXX");
    CHECK(mkdtemp(folder) != NULL);
    snprintf(url, sizeof url, "file://%s", folder);
}

static void test_members_share_and_take_over(void) {
    pinpipe_leases *all[MEMBERS] = {0};
    folder_make();
    all[0] = member("a");
    shards_put(all[0], 6);
    turn(all[0]); /* makes them */
    turn(all[0]);
    CHECK_INT(held(all[0]), 6);
    all[1] = member("b");
    all[2] = member("c");
    shards_put(all[1], 6);
    shards_put(all[2], 6);
    for (int round = 0; round < 40; round++) {
        clock_ms += LEASE_MS / 8;
        for (int k = 0; k < MEMBERS; k++) {
            turn(all[k]);
            check_apart(all, 6);
        }
    }
    for (int k = 0; k < MEMBERS; k++) {
        CHECK_INT(held(all[k]), 2);
    }
    int64_t handed_over = 0; /* with the position that its last owner has left */
    for (int64_t i = 0; i < pinpipe_leases_count(all[2]); i++) {
        pinpipe_lease found = PINPIPE_LEASE_INIT;
        CHECK_INT(pinpipe_leases_at(&found, all[2], i, NULL), PINPIPE_OK);
        handed_over += pp_str_is(found.sequence, "77") && found.sub_sequence == 3;
    }
    CHECK_INT(handed_over, 4);

    pinpipe_leases_free(all[1]); /* it dies */
    all[1] = NULL;
    int64_t died_ms = clock_ms;
    while (held(all[0]) + held(all[2]) < 6 && clock_ms < died_ms + 10 * LEASE_MS) {
        clock_ms += LEASE_MS / 8;
        turn(all[0]);
        turn(all[2]);
        check_apart(all, 6);
    }
    CHECK_INT(held(all[0]), 3);
    CHECK_INT(held(all[2]), 3);
    CHECK(clock_ms - died_ms <= 2 * LEASE_MS);
    pinpipe_leases_free(all[0]);
    pinpipe_leases_free(all[2]);
}

static void test_a_member_that_sleeps_has_lost(void) {
    pinpipe_error err = PINPIPE_ERROR_INIT;
    folder_make();
    pinpipe_leases *sleeper = member("sleeper");
    pinpipe_leases *other = member("other");
    shards_put(sleeper, 1);
    turn(sleeper);
    turn(sleeper);
    CHECK_INT(lease_of(sleeper, "shardId-000000000000").state, PINPIPE_LEASE_OURS);
    turn(other);
    CHECK_INT(lease_of(other, "shardId-000000000000").state, PINPIPE_LEASE_OTHERS);
    clock_ms += LEASE_MS; /* nobody else has taken it, and yet it cannot be relied upon */
    CHECK_INT(lease_of(sleeper, "shardId-000000000000").state, PINPIPE_LEASE_NOBODYS);
    CHECK_INT(pinpipe_leases_commit(sleeper, pp_str("shardId-000000000000"), pp_str("5"), 0, WAIT_MS, &err),
              PINPIPE_ECONFLICT);
    clock_ms += 1;
    turn(other); /* it does not know the shard's parents yet */
    CHECK_INT(lease_of(other, "shardId-000000000000").state, PINPIPE_LEASE_OTHERS);
    shards_put(other, 1);
    clock_ms += LEASE_MS / 4;
    turn(other);
    CHECK_INT(lease_of(other, "shardId-000000000000").state, PINPIPE_LEASE_OURS);
    clock_ms += LEASE_MS / 4;
    turn(sleeper);
    CHECK_INT(lease_of(sleeper, "shardId-000000000000").state, PINPIPE_LEASE_OTHERS);
    pinpipe_leases_free(sleeper);
    pinpipe_leases_free(other);
}

static void test_positions_never_go_back(void) {
    pinpipe_error err = PINPIPE_ERROR_INIT;
    pinpipe_str shard = pp_str("shardId-000000000000");
    folder_make();
    pinpipe_leases *leases = member("a");
    shards_put(leases, 1);
    turn(leases);
    turn(leases);
    static const struct {
        const char *sequence;
        int64_t sub;
        pinpipe_status status;
    } rows[] = {
        {"AT_TIMESTAMP:1700000000000", 0, PINPIPE_OK},
        {"99", 4, PINPIPE_OK},
        {"99", 3, PINPIPE_EINVAL},
        {"99", 5, PINPIPE_OK},
        {"99", -1, PINPIPE_OK}, /* all of the aggregate */
        {"99", 6, PINPIPE_EINVAL},
        {"098", 0, PINPIPE_EINVAL},
        {"100", 0, PINPIPE_OK},
        {"TRIM_HORIZON", 0, PINPIPE_EINVAL},
        {"", 0, PINPIPE_EINVAL},
        {"1\"", 0, PINPIPE_EINVAL},
        {"SHARD_END", 0, PINPIPE_OK},
        {"101", 0, PINPIPE_EINVAL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        CHECK_INT(pinpipe_leases_commit(leases, shard, pp_str(rows[i].sequence), rows[i].sub, WAIT_MS, &err),
                  rows[i].status);
    }
    CHECK_INT(lease_of(leases, "shardId-000000000000").state, PINPIPE_LEASE_ENDED);
    pinpipe_leases_free(leases);
}

static void test_children_wait_for_both_parents(void) {
    static const char *const parents[] = {"parent-1", "parent-2"};
    pinpipe_error err = PINPIPE_ERROR_INIT;
    folder_make();
    pinpipe_leases *leases = member("a");
    CHECK_INT(pinpipe_leases_put(leases, pp_str("child"), pp_str(parents[0]), pp_str(parents[1]), &err), 0);
    for (int i = 0; i < 2; i++) {
        CHECK_INT(pinpipe_leases_put(leases, pp_str(parents[i]), (pinpipe_str){0}, (pinpipe_str){0}, &err),
                  0);
    }
    for (int i = 0; i < 2; i++) {
        clock_ms += LEASE_MS / 2;
        turn(leases);
        turn(leases);
        CHECK_INT(lease_of(leases, "child").state, PINPIPE_LEASE_NOBODYS);
        CHECK_INT(pinpipe_leases_commit(leases, pp_str(parents[i]), pp_str("SHARD_END"), 0, WAIT_MS, &err),
                  0);
    }
    clock_ms += LEASE_MS / 2;
    turn(leases);
    CHECK_INT(lease_of(leases, "child").state, PINPIPE_LEASE_OURS);
    pinpipe_leases_free(leases);
}

/* An ended shard's entry goes when its children are begun, and whoever looks next does not make it again. */
static void test_what_the_stream_forgot_is_removed(void) {
    pinpipe_str parent = pp_str("parent"), none = {0};
    folder_make();
    pinpipe_leases *all[] = {member("a"), member("b")};
    for (int i = 0; i < 2; i++) {
        CHECK_INT(pinpipe_leases_put(all[i], parent, none, none, NULL), PINPIPE_OK);
        CHECK_INT(pinpipe_leases_put(all[i], pp_str("child"), parent, none, NULL), PINPIPE_OK);
    }
    turn(all[0]);
    turn(all[1]);
    CHECK_INT(pinpipe_leases_clear(all[0], parent, WAIT_MS, NULL), PINPIPE_AGAIN); /* it is read */
    CHECK_INT(pinpipe_leases_commit(all[0], parent, pp_str("SHARD_END"), 0, WAIT_MS, NULL), PINPIPE_OK);
    CHECK_INT(pinpipe_leases_clear(all[0], parent, WAIT_MS, NULL),
              PINPIPE_AGAIN); /* its child is not begun */
    clock_ms += LEASE_MS / 4;
    turn(all[0]);
    CHECK_INT(pinpipe_leases_commit(all[0], pp_str("child"), pp_str("TRIM_HORIZON"), 0, WAIT_MS, NULL),
              PINPIPE_OK);
    turn(all[1]);
    CHECK_INT(lease_of(all[1], "parent").state, PINPIPE_LEASE_ENDED);
    CHECK_INT(pinpipe_leases_clear(all[0], parent, WAIT_MS, NULL), PINPIPE_OK);
    CHECK_INT(pinpipe_leases_clear(all[0], parent, WAIT_MS, NULL), PINPIPE_OK);
    CHECK_INT(pinpipe_leases_count(all[0]), 1);
    for (int i = 1; i >= 0; i--) {
        clock_ms += LEASE_MS / 4;
        turn(all[i]);
    }
    CHECK_INT(pinpipe_leases_count(all[0]), 1);
    CHECK_INT(lease_of(all[0], "child").state, PINPIPE_LEASE_OURS);
    CHECK_INT(pinpipe_leases_clear(all[1], parent, WAIT_MS, NULL), PINPIPE_OK);
    CHECK_INT(pinpipe_leases_count(all[1]), 1);
    pinpipe_leases_free(all[0]);
    pinpipe_leases_free(all[1]);
}

static void test_what_is_refused(void) {
    pinpipe_leases_options options = PINPIPE_LEASES_OPTIONS_INIT;
    pinpipe_leases *leases = NULL;
    pinpipe_lease found = PINPIPE_LEASE_INIT;
    pinpipe_error err = PINPIPE_ERROR_INIT;
    static const char *const urls[] = {"", "file://", "file://x", "s3://", "ftp://x/y"};
    options.owner = pp_str("a");
    for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) {
        options.url = pp_str(urls[i]);
        CHECK_INT(pinpipe_leases_open(&leases, &options, &err), PINPIPE_EINVAL);
        CHECK(leases == NULL);
    }
    options.url = pp_str("file:///tmp/x");
    options.owner = pp_str("a b");
    CHECK_INT(pinpipe_leases_open(&leases, &options, &err), PINPIPE_EINVAL);
    options.owner = pp_str("a");
    options.lease_ms = 99;
    CHECK_INT(pinpipe_leases_open(&leases, &options, &err), PINPIPE_EINVAL);
    leases = member("a");
    CHECK_INT(pinpipe_leases_put(leases, pp_str("a/b"), (pinpipe_str){0}, (pinpipe_str){0}, &err),
              PINPIPE_EINVAL);
    CHECK_INT(pinpipe_leases_put(leases, (pinpipe_str){0}, (pinpipe_str){0}, (pinpipe_str){0}, &err),
              PINPIPE_EINVAL);
    CHECK_INT(pinpipe_leases_at(&found, leases, 0, &err), PINPIPE_EINVAL);
    CHECK_INT(pinpipe_leases_release(leases, pp_str("unknown"), WAIT_MS, &err), PINPIPE_OK);
    CHECK_INT(pinpipe_leases_commit(leases, pp_str("unknown"), pp_str("1"), 0, WAIT_MS, &err),
              PINPIPE_EINVAL);
    pinpipe_leases_free(leases);
    pinpipe_leases_free(NULL);
}

static pinpipe_status count_take(void *user, pinpipe_str key, pinpipe_str text, pinpipe_error *err) {
    (void)err;
    CHECK_TEXT(key.ptr, key.len, "k");
    CHECK_TEXT(text.ptr, text.len, "two");
    ++*(int *)user;
    return PINPIPE_OK;
}

static pp_lease_outcome written(pp_lease_store *store, const char *expected, const char *text) {
    pp_lease_change change = {.key = pp_str("k"), .expected = pp_str(expected), .text = pp_str(text)};
    CHECK_INT(pp_lease_store_write(&change, 1, store, WAIT_MS, NULL), PINPIPE_OK);
    return change.outcome;
}

static void test_a_folder_swaps_what_is_expected(void) {
    pp_lease_store *store = NULL;
    pp_lease_change bad = {.key = pp_str("../k"), .text = pp_str("x")};
    pinpipe_error err = PINPIPE_ERROR_INIT;
    int seen = 0;
    folder_make();
    CHECK_INT(pp_lease_store_open(&store, pp_str(url), NULL, &err), 0);
    CHECK_INT(written(store, "one", "two"), PP_LEASE_LOST);
    CHECK_INT(written(store, "", "one"), PP_LEASE_WON);
    CHECK_INT(written(store, "", "new"), PP_LEASE_LOST);
    CHECK_INT(written(store, "on", "two"), PP_LEASE_LOST);
    CHECK_INT(written(store, "one", "two"), PP_LEASE_WON);
    CHECK_INT(pp_lease_store_load(store, count_take, &seen, WAIT_MS, &err), 0);
    CHECK_INT(seen, 1);
    CHECK_INT(pp_lease_store_remove(store, pp_str("k"), WAIT_MS, &err), 0);
    CHECK_INT(pp_lease_store_remove(store, pp_str("k"), WAIT_MS, &err), 0);
    CHECK_INT(pp_lease_store_load(store, count_take, &seen, WAIT_MS, &err), 0);
    CHECK_INT(seen, 1);
    CHECK_INT(pp_lease_store_write(&bad, 1, store, WAIT_MS, &err), PINPIPE_EINVAL);
    pp_lease_store_free(store);
}

int main(void) {
    test_members_share_and_take_over();
    test_a_member_that_sleeps_has_lost();
    test_positions_never_go_back();
    test_children_wait_for_both_parents();
    test_what_the_stream_forgot_is_removed();
    test_a_folder_swaps_what_is_expected();
    test_what_is_refused();
    return check_report();
}
