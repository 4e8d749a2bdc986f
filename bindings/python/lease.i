/* Turns leases of shards into pinpipe.native, their options struct spread out as arguments.
 * Never holds the GIL while the store is asked.
 * Rules: docs/stream.md, "Groups"; docs/architecture.md, "The Python border". */
%{
#include "pinpipe/lease.h"

/* (shard, state, owner, sequence, number in the aggregate) */
static PyObject *lease_object(const void *leases, int64_t index) {
    pinpipe_lease lease = PINPIPE_LEASE_INIT;
    pinpipe_error err = PINPIPE_ERROR_INIT;
    if (pinpipe_leases_at(&lease, leases, index, &err) < 0) {
        raise_error(&err);
        return NULL;
    }
    PyObject *parts[] = {text_of(lease.shard), PyLong_FromLong(lease.state), text_of(lease.owner),
                         text_of(lease.sequence), PyLong_FromLongLong((long long)lease.sub_sequence)};
    return tuple_of(parts, 5);
}
%}

PINPIPE_HANDLE(pinpipe_leases)

pinpipe_status pinpipe_leases_put(pinpipe_leases *leases, pinpipe_str shard, pinpipe_str parent, pinpipe_str adjacent,
                                  pinpipe_error *err);
pinpipe_status pinpipe_leases_commit(pinpipe_leases *leases, pinpipe_str shard, pinpipe_str sequence,
                                     int64_t sub_sequence, int64_t timeout_ms, pinpipe_error *err);
pinpipe_status pinpipe_leases_clear(pinpipe_leases *leases, pinpipe_str shard, int64_t timeout_ms, pinpipe_error *err);
pinpipe_status pinpipe_leases_release(pinpipe_leases *leases, pinpipe_str shard, int64_t timeout_ms,
                                      pinpipe_error *err);

%constant int LEASE_NOBODYS = PINPIPE_LEASE_NOBODYS;
%constant int LEASE_OURS = PINPIPE_LEASE_OURS;
%constant int LEASE_ASKED = PINPIPE_LEASE_ASKED;
%constant int LEASE_OTHERS = PINPIPE_LEASE_OTHERS;
%constant int LEASE_ENDED = PINPIPE_LEASE_ENDED;

/* It builds Python objects. */
%nothread leases_items;

%inline %{
static pinpipe_status leases_open(pinpipe_leases **out, pinpipe_str url, pinpipe_str owner, const pinpipe_s3 *s3,
                                  int64_t lease_ms, int64_t hand_over_ms, pinpipe_error *err) {
    pinpipe_leases_options options = PINPIPE_LEASES_OPTIONS_INIT;
    options.url = url;
    options.owner = owner;
    options.s3 = s3;
    options.lease_ms = lease_ms;
    options.hand_over_ms = hand_over_ms;
    return pinpipe_leases_open(out, &options, err);
}

static pinpipe_status leases_poll(pinpipe_leases *leases, int64_t timeout_ms, pinpipe_error *err) {
    pinpipe_status status = pinpipe_leases_poll(leases, timeout_ms, err);
    return status < 0 ? status : PINPIPE_OK;
}

static PyObject *leases_items(const pinpipe_leases *leases) {
    return list_of(pinpipe_leases_count(leases), lease_object, leases);
}
%}
