/* Turns a cell that a rule could not take into an entry of the report's dirty values.
 * Never runs for a clean value, a marker, an empty text or a missing key.
 * Rules: record/dirty_values.h. */
#include "clean/ops.h"

void pp_op_note(const pp_op_target *to, int32_t rule, const pp_cell *cell) {
    char text[PP_F64_TEXT_MAX + PP_TIME_TEXT_MAX];
    pinpipe_str shown = {cell->ptr, cell->len};
    if (rule < 0) {
        return;
    }
    switch (cell->kind) {
    case PP_CELL_I64:
        shown = (pinpipe_str){text, pp_number_write_i64(text, cell->value.i64)};
        break;
    case PP_CELL_F64:
        if (isfinite(cell->value.f64)) {
            shown = (pinpipe_str){text, pp_number_write_f64(text, cell->value.f64)};
        } else {
            shown = isnan(cell->value.f64) ? (pinpipe_str){"NaN", 3} : (pinpipe_str){"Infinity", 8};
        }
        break;
    case PP_CELL_TIME_US:
        shown = pp_time_has_text(cell->value.i64)
                    ? (pinpipe_str){text, pp_time_write(text, cell->value.i64)}
                    : (pinpipe_str){text, pp_number_write_i64(text, cell->value.i64)};
        break;
    default:
        shown = shown.ptr ? shown : (pinpipe_str){"(another type)", 14};
    }
    pp_dirty_note(&to->report->dirty.column[to->step - to->plan->step], rule, shown);
}
