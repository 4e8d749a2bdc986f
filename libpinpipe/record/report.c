/* Turns rule hits and unreadable records into the census and the rejects.
 * Never keeps more than the first 64 KiB of a record.
 * Rules: CONTRACT §4, "Rejected" and "Written out". */
#include "record/report.h"

#include <assert.h>
#include <string.h>

#include "base/memory.h"
#include "text/base64.h"
#include "text/json_string.h"
#include "text/utf8.h"

pinpipe_status pinpipe_report_new(pinpipe_report **out, int32_t record, int32_t shape, pinpipe_error *err) {
    *out = NULL;
    if (!pp_schema_known(record, shape)) {
        return pp_fail(err, PINPIPE_EINVAL, "no record %d with shape %d", record, shape);
    }
    pinpipe_report *report = pp_alloc_zero(sizeof *report);
    if (!report) {
        return pp_fail_memory(err, "a report", sizeof *report);
    }
    report->record = record;
    report->shape = shape;
    *out = report;
    return PINPIPE_OK;
}

void pinpipe_report_free(pinpipe_report *report) {
    if (report) {
        pinpipe_buf_reset(&report->bytes);
        pinpipe_buf_reset(&report->rejects);
        pp_free(report);
    }
}

int64_t pinpipe_report_records(const pinpipe_report *report) {
    return report->records;
}

int64_t pinpipe_report_rejected(const pinpipe_report *report) {
    return report->rejected;
}

int64_t pinpipe_report_dropped(const pinpipe_report *report) {
    return report->dropped;
}

int64_t pinpipe_report_value_count(const pinpipe_report *report) {
    return pp_dirty_count(&report->dirty);
}

pinpipe_status pinpipe_report_value_at(pinpipe_dirty_value *out, const pinpipe_report *report, int64_t index,
                                       pinpipe_error *err) {
    if (!out || out->struct_size < sizeof *out) {
        return pp_fail(err, PINPIPE_EINVAL, "a dirty value lacks its struct_size");
    }
    const pp_dirty_slot *slot = pp_dirty_at(&report->dirty, index);
    if (!slot) {
        return pp_fail(err, PINPIPE_EINVAL, "no dirty value %lld in a report of %lld", (long long)index,
                       (long long)pp_dirty_count(&report->dirty));
    }
    out->rule = slot->rule;
    out->count = slot->count;
    out->surplus = slot->surplus;
    out->value_bytes = slot->bytes;
    out->value = (pinpipe_str){slot->text, slot->kept};
    return PINPIPE_OK;
}

int64_t pinpipe_report_hits(const pinpipe_report *report, int32_t index) {
    return index >= 0 && index < PP_RULES_MAX ? report->hits[index] : 0;
}

int64_t pinpipe_report_reject_count(const pinpipe_report *report) {
    return (int64_t)(report->rejects.len / sizeof(pp_reject));
}

void pinpipe_report_clear_rejects(pinpipe_report *report) {
    pp_buf_clear(&report->bytes);
    pp_buf_clear(&report->rejects);
}

pinpipe_status pp_report_reject(pinpipe_report *report, const pp_rule *rule, int64_t record_index,
                                int64_t byte_offset, pinpipe_str data, int64_t data_bytes, const char *detail,
                                pinpipe_error *err) {
    char id[80];
    pp_rule_id(id, sizeof id, report->record, rule);
    pp_reject reject = {record_index, byte_offset, data_bytes, report->bytes.len, 0, 0, 0, 0};
    pinpipe_status status = pp_buf_printf(&report->bytes, err, "%s: %s", id, detail);
    if (status < 0) {
        return status;
    }
    reject.reason_len = report->bytes.len - reject.reason_start;
    reject.data_len = data.len < PP_REJECT_DATA_MAX ? data.len : PP_REJECT_DATA_MAX;
    status = pp_buf_append(&report->bytes, data.ptr, reject.data_len, err);
    if (status == PINPIPE_OK) {
        status = pp_buf_append(&report->rejects, &reject, sizeof reject, err);
    }
    if (status < 0) {
        report->bytes.len = reject.reason_start;
        return status;
    }
    report->rejected++;
    return PINPIPE_OK;
}

pinpipe_status pp_report_explain(pinpipe_report *report, const char *text, pinpipe_error *err) {
    pp_reject reject;
    char *last = report->rejects.ptr + report->rejects.len - sizeof reject;
    size_t len = strlen(text);
    memcpy(&reject, last, sizeof reject);
    pinpipe_status status = pp_buf_reserve(&report->bytes, len + 2, PP_BUF_MAX, err);
    if (status == PINPIPE_OK) {
        char *to = report->bytes.ptr + reject.reason_start + reject.reason_len;
        memmove(to + len + 2, to, reject.data_len); /* its data stands behind, at the end of all */
        memcpy(to, ": ", 2);
        memcpy(to + 2, text, len);
        report->bytes.len += len + 2;
        reject.reason_len += len + 2;
        memcpy(last, &reject, sizeof reject);
    }
    return status;
}

pinpipe_status pp_report_source(pinpipe_report *report, int64_t first, pinpipe_str source,
                                pinpipe_error *err) {
    size_t start = report->bytes.len, from = (size_t)first * sizeof(pp_reject);
    pinpipe_status status =
        from < report->rejects.len ? pp_buf_append(&report->bytes, source.ptr, source.len, err) : PINPIPE_OK;
    for (size_t at = from; status == PINPIPE_OK && at < report->rejects.len; at += sizeof(pp_reject)) {
        pp_reject reject;
        memcpy(&reject, report->rejects.ptr + at, sizeof reject);
        reject.source_start = start;
        reject.source_len = source.len;
        memcpy(report->rejects.ptr + at, &reject, sizeof reject);
    }
    return status;
}

pinpipe_status pp_report_join(pinpipe_report *report, const pinpipe_report *other, int64_t byte_offset,
                              pinpipe_error *err) {
    size_t bytes_before = report->bytes.len;
    size_t rejects_before = report->rejects.len;
    pinpipe_status status = pp_buf_append(&report->bytes, other->bytes.ptr, other->bytes.len, err);
    for (size_t at = 0; status == PINPIPE_OK && at < other->rejects.len; at += sizeof(pp_reject)) {
        pp_reject reject;
        memcpy(&reject, other->rejects.ptr + at, sizeof reject);
        reject.record_index += report->records;
        reject.byte_offset += byte_offset;
        reject.reason_start += bytes_before;
        reject.source_start += bytes_before;
        status = pp_buf_append(&report->rejects, &reject, sizeof reject, err);
    }
    if (status < 0) {
        report->bytes.len = bytes_before;
        report->rejects.len = rejects_before;
        return status;
    }
    report->records += other->records;
    report->rejected += other->rejected;
    report->dropped += other->dropped;
    for (int32_t i = 0; i < PP_RULES_MAX; i++) {
        report->hits[i] += other->hits[i];
    }
    pp_dirty_join(&report->dirty, &other->dirty);
    return PINPIPE_OK;
}

pinpipe_status pinpipe_report_reject_at(pinpipe_reject *out, const pinpipe_report *report, int64_t index,
                                        pinpipe_error *err) {
    if (!out || out->struct_size < sizeof *out) {
        return pp_fail(err, PINPIPE_EINVAL, "a reject lacks its struct_size");
    }
    if (index < 0 || index >= pinpipe_report_reject_count(report)) {
        return pp_fail(err, PINPIPE_EINVAL, "no reject %lld in a report of %lld", (long long)index,
                       (long long)pinpipe_report_reject_count(report));
    }
    pp_reject reject;
    memcpy(&reject, report->rejects.ptr + (size_t)index * sizeof reject, sizeof reject);
    out->record_index = reject.record_index;
    out->byte_offset = reject.byte_offset;
    out->data_bytes = reject.data_bytes;
    out->reason = (pinpipe_str){report->bytes.ptr + reject.reason_start, reject.reason_len};
    out->data = (pinpipe_str){report->bytes.ptr + reject.reason_start + reject.reason_len, reject.data_len};
    out->source = (pinpipe_str){report->bytes.ptr + reject.source_start, reject.source_len};
    return PINPIPE_OK;
}

static pinpipe_status member_encode(pinpipe_buf *out, const char *name, pinpipe_str text,
                                    pinpipe_error *err) {
    pinpipe_status status = pp_buf_printf(out, err, ",\"%s\":\"", name);
    if (status == PINPIPE_OK) {
        status = pp_buf_reserve(out, PP_JSON_ESCAPED_MAX(text.len), PP_BUF_MAX, err);
    }
    if (status == PINPIPE_OK) {
        out->len += pp_json_escape(out->ptr + out->len, text.ptr, text.len);
        status = pp_buf_append(out, "\"", 1, err);
    }
    return status;
}

static pinpipe_status reject_encode(pinpipe_buf *out, const pinpipe_reject *reject, pinpipe_error *err) {
    pinpipe_status status = pp_buf_printf(
        out, err, "{\"index\":%lld,\"byte_offset\":%lld,\"data_bytes\":%lld", (long long)reject->record_index,
        (long long)reject->byte_offset, (long long)reject->data_bytes);
    if (status == PINPIPE_OK && reject->source.len) {
        status = member_encode(out, "source", reject->source, err);
    }
    if (status == PINPIPE_OK) {
        status = member_encode(out, "reason", reject->reason, err);
    }
    if (status == PINPIPE_OK) {
        status = pp_buf_append_text(out, ",\"data_b64\":\"", err);
    }
    size_t encoded = PP_BASE64_LEN(reject->data.len);
    if (status == PINPIPE_OK) {
        status = pp_buf_reserve(out, encoded, PP_BUF_MAX, err);
    }
    if (status == PINPIPE_OK) {
        pp_base64_write(out->ptr + out->len, reject->data.ptr, reject->data.len);
        out->len += encoded;
        status = pp_buf_append(out, "\"}\n", 3, err);
    }
    return status;
}

pinpipe_status pinpipe_report_encode_rejects(pinpipe_buf *out, const pinpipe_report *report,
                                             pinpipe_error *err) {
    pinpipe_status status = PINPIPE_OK;
    for (int64_t i = 0; status == PINPIPE_OK && i < pinpipe_report_reject_count(report); i++) {
        pinpipe_reject reject = PINPIPE_REJECT_INIT;
        status = pinpipe_report_reject_at(&reject, report, i, err);
        if (status == PINPIPE_OK) {
            status = reject_encode(out, &reject, err);
        }
    }
    return status;
}
