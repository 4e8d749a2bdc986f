/* Turns a record's cells into a row, or into a reject when it has no key.
 * Never writes half a row: the key is checked before any column is touched.
 * Rules: CONTRACT §4, "What cleaning does with a record". */
#include <stdio.h>

#include "clean/decoder.h"
#include "clean/ops.h"
#include "text/utf8.h"

#define DETAIL_MAX 160

/* Counts and keeps a reject under a rule; `index` is -1 where the table has no row for it. */
static pinpipe_status reject_keep(pinpipe_decoder *decoder, const pp_rule *rule, int16_t index,
                                  const char *detail, const pp_record_text *source, pinpipe_report *report,
                                  pinpipe_error *err) {
    pinpipe_str data = {source->text, source->len};
    pinpipe_status status = pp_report_reject(report, rule, decoder->record_index, source->byte_offset, data,
                                             source->total, detail, err);
    if (status == PINPIPE_OK) {
        report->hits[index >= 0 ? index : 0] += index >= 0;
        report->records++;
        decoder->record_index++;
    }
    return status;
}

pinpipe_status pp_decoder_reject(pinpipe_decoder *decoder, const pp_fault *fault,
                                 const pp_record_text *source, pinpipe_report *report, pinpipe_error *err) {
    char detail[DETAIL_MAX];
    snprintf(detail, sizeof detail, "%s at byte %zu%s", fault->detail, fault->offset,
             fault->is_decoded ? " of the text decoded from it" : "");
    return reject_keep(decoder, pp_plan_record_rule(&decoder->plan, fault->outcome),
                       decoder->plan.record_rule[fault->outcome], detail, source, report, err);
}

/* A record whose key is missing or no int64. */
static pinpipe_status key_reject(pinpipe_decoder *decoder, const pp_cell *cell, pp_outcome outcome,
                                 const pp_record_text *source, pinpipe_report *report, pinpipe_error *err) {
    static const pp_rule unnamed = {.field = -1,
                                    .step = -1,
                                    .effect = PP_EFFECT_REJECTED,
                                    .column = "ind",
                                    .suffix = "",
                                    .text = "",
                                    .source = ""};
    char detail[DETAIL_MAX] = "the record has no key";
    if (outcome != PP_OUTCOME_MISSING) {
        bool has_text = cell->kind == PP_CELL_TEXT || cell->kind == PP_CELL_NUMBER;
        size_t len = has_text ? pp_utf8_span(cell->ptr, (size_t)pp_quote_len(cell->len)) : 0;
        snprintf(detail, sizeof detail, "the key '%.*s' is no integer in int64", (int)len,
                 has_text ? cell->ptr : "");
    }
    int16_t index = decoder->plan.step[decoder->plan.key_step].part[0].rule[outcome];
    return reject_keep(decoder, index >= 0 ? &decoder->plan.rule[index] : &unnamed, index, detail, source,
                       report, err);
}

static void keys_count(const pinpipe_decoder *decoder, pinpipe_report *report) {
    int16_t duplicate = decoder->plan.record_rule[PP_OUTCOME_DUPLICATE_KEY];
    int16_t unknown = decoder->plan.record_rule[PP_OUTCOME_UNKNOWN_KEY];
    int16_t wrapped = decoder->plan.record_rule[PP_OUTCOME_WRAPPED];
    if (duplicate >= 0) {
        report->hits[duplicate] += decoder->cells.duplicate_keys;
    }
    if (unknown >= 0) {
        report->hits[unknown] += decoder->cells.unknown_keys;
    }
    if (wrapped >= 0) {
        report->hits[wrapped] += decoder->cells.is_wrapped;
    }
}

pinpipe_status pp_decoder_accept(pinpipe_decoder *decoder, pp_columns *columns, const pp_record_text *source,
                                 pinpipe_report *report, pinpipe_error *err) {
    const pp_plan *plan = &decoder->plan;
    const pp_cell *cells = decoder->cells.cell;
    const pp_cell *key = &cells[plan->step[plan->key_step].part[0].field];
    int64_t key_value = 0;
    if (key->kind == PP_CELL_MISSING || key->kind == PP_CELL_NULL) {
        return key_reject(decoder, key, PP_OUTCOME_MISSING, source, report, err);
    }
    if (pp_op_i64(&key_value, key) != PP_NUMBER_OK) {
        return key_reject(decoder, key, PP_OUTCOME_NOT_AN_INTEGER, source, report, err);
    }
    keys_count(decoder, report);
    pp_op_target to = {.row = columns->rows, .plan = plan, .report = report};
    for (int32_t i = 0; i < plan->step_count; i++) {
        pp_op_run(&to, columns, i, cells);
    }
    if (to.is_dropped) {
        pp_columns_undo(columns, columns->rows);
        report->dropped++;
    } else {
        columns->rows++;
    }
    columns->input_bytes += source->total;
    report->records++;
    decoder->record_index++;
    return PINPIPE_OK;
}
