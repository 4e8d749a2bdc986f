/* Turns a rule document's object `expect`, or the rows of expectations.def, into expectations, and what they
 * saw into results. Never guesses: a name or a value that is not known is an error that says what would be.
 * Rules: docs/census.md, "Expectations"; RFC 8259 by jansson. */
#include "clean/expectations.h"

#include <assert.h>
#include <jansson.h>
#include <stdio.h>

#include "base/memory.h"
#include "text/number.h"
#include "text/time_text.h"

#define COUNT_OF(array) ((int32_t)(sizeof(array) / sizeof(array)[0]))
#define OF(type) (1u << PINPIPE_TYPE_##type)
#define OF_ANY (OF(I64) | OF(F64) | OF(TEXT) | OF(TIME_US) | OF(F64_LIST))
#define OF_ROWS (1u << 31)

/* What each check is called, and the types of column that it reads. */
static const struct {
    const char *name;
    pinpipe_check check;
    uint32_t types;
} checks[] = {
    {"unique", PINPIPE_CHECK_UNIQUE, OF(I64) | OF(TEXT) | OF(TIME_US)},
    {"min", PINPIPE_CHECK_MIN, OF(I64) | OF(F64) | OF(TIME_US) | OF(F64_LIST)},
    {"max", PINPIPE_CHECK_MAX, OF(I64) | OF(F64) | OF(TIME_US) | OF(F64_LIST)},
    {"in", PINPIPE_CHECK_IN, OF(I64) | OF(TEXT)},
    {"null_share_max", PINPIPE_CHECK_NULL_SHARE_MAX, OF_ANY},
    {"rows_min", PINPIPE_CHECK_ROWS_MIN, OF_ROWS},
    {"rows_max", PINPIPE_CHECK_ROWS_MAX, OF_ROWS},
};

static const struct {
    int32_t record;
    const char *column;
    const char *check;
    const char *argument;
    const char *source;
} course_rows[] = {
#define EXPECT(record, column, check, argument, source) {PINPIPE_##record, column, check, argument, source},
#include "clean/expectations.def"
};

/* What one member of `expect` is about: a column, or with column -1 the rows of a record type. */
typedef struct datum {
    int32_t record;
    int32_t column;
    pinpipe_type type;
    const char *name;
    char text[PP_QUOTE_MAX + 16]; /* "pin.category" */
} datum;

/* Length of a quoted part that ends with a character. */
static int quote_len(const char *text, size_t len) {
    return (int)pp_text_cut(text, len, PP_QUOTE_MAX);
}

static int dump_take(const char *bytes, size_t len, void *user) {
    return pp_buf_append(user, bytes, len, NULL) == PINPIPE_OK ? 0 : -1;
}

/* A value as compact JSON. */
static pinpipe_status value_dump(pinpipe_buf *out, const json_t *value, pinpipe_error *err) {
    pp_buf_clear(out);
    if (json_dump_callback(value, dump_take, out, JSON_COMPACT | JSON_ENCODE_ANY) != 0) {
        return pp_fail_memory(err, "an expectation", out->len);
    }
    return PINPIPE_OK;
}

/* "expect.pin.ind.min: wants an integer, not \"x\"" */
static pinpipe_status fail_wants(pinpipe_error *err, const datum *of, const char *check, const char *wanted,
                                 const json_t *value) {
    pinpipe_buf text = PINPIPE_BUF_INIT;
    pinpipe_status status = value_dump(&text, value, err);
    if (status == PINPIPE_OK) {
        status = pp_fail(err, PINPIPE_EDATA, "expect.%s.%s: wants %s, not %.*s", of->text, check, wanted,
                         quote_len(text.ptr, text.len), text.ptr);
    }
    pinpipe_buf_reset(&text);
    return status;
}

/* The names that could stand there, for a message. */
static void names_of_columns(char *out, size_t size, int32_t record) {
    pp_step steps[PP_CLEAN_MAX];
    int32_t count = pp_steps(steps, record, PINPIPE_CLEAN);
    size_t at = 0;
    for (int32_t i = 0; i < count && at < size; i++) {
        at += (size_t)snprintf(out + at, size - at, "%s%s", i ? ", " : "", steps[i].name);
    }
}

static void names_of_checks(char *out, size_t size, uint32_t types) {
    size_t at = 0;
    for (int32_t i = 0; i < COUNT_OF(checks) && at < size; i++) {
        if (checks[i].types & types) {
            at += (size_t)snprintf(out + at, size - at, "%s, ", checks[i].name);
        }
    }
    snprintf(out + (at < size ? at : 0), size - (at < size ? at : 0), "fatal");
}

static bool datum_set(datum *out, int32_t record, const char *column) {
    pp_step steps[PP_CLEAN_MAX];
    int32_t count = pp_steps(steps, record, PINPIPE_CLEAN);
    *out = (datum){.record = record, .column = -1, .name = ""};
    snprintf(out->text, sizeof out->text, "%s%s%s", pinpipe_record_name(record), *column ? "." : "", column);
    for (int32_t i = 0; i < count; i++) {
        if (strcmp(steps[i].name, column) == 0) {
            out->column = i;
            out->type = steps[i].type;
            out->name = steps[i].name;
        }
    }
    return !*column || out->column >= 0;
}

/* "pin" or "pin.category" */
static pinpipe_status datum_find(datum *out, const char *name, pinpipe_error *err) {
    char names[200];
    size_t len = strcspn(name, ".");
    int32_t record = pinpipe_record_find((pinpipe_str){name, len});
    if (record < 0) {
        return pp_fail(err, PINPIPE_EDATA, "expect: '%.*s' begins with none of pin, geo, user",
                       quote_len(name, strlen(name)), name);
    }
    if (!datum_set(out, record, name[len] ? name + len + 1 : "") || (name[len] && !name[len + 1])) {
        names_of_columns(names, sizeof names, record);
        return pp_fail(err, PINPIPE_EDATA, "expect: '%.*s' names no column; those of %s are %s",
                       quote_len(name, strlen(name)), name, pinpipe_record_name(record), names);
    }
    return PINPIPE_OK;
}

static bool bound_read_pair(double out[2], const json_t *value) {
    bool is_pair = json_is_array(value) && json_array_size(value) == 2;
    for (size_t i = 0; i < 2; i++) {
        const json_t *item = is_pair ? json_array_get(value, i) : NULL;
        is_pair = is_pair && json_is_number(item);
        out[i] = is_pair ? json_number_value(item) : 0;
    }
    return is_pair;
}

static pinpipe_status bound_read(pp_expectation *out, const datum *of, const json_t *value,
                                 pinpipe_error *err) {
    bool is_good = false;
    const char *wanted = "an integer";
    switch (of->type) {
    case PINPIPE_TYPE_TIME_US:
        wanted = "a time such as \"2009-01-01T00:00:00Z\"";
        is_good = json_is_string(value) &&
                  pp_time_parse(&out->bound_i64,
                                (pinpipe_str){json_string_value(value), json_string_length(value)});
        break;
    case PINPIPE_TYPE_F64:
        wanted = "a number";
        is_good = json_is_number(value);
        out->bound_f64[0] = json_number_value(value);
        break;
    case PINPIPE_TYPE_F64_LIST:
        wanted = "two numbers such as [-90,-180]";
        is_good = bound_read_pair(out->bound_f64, value);
        break;
    default:
        is_good = json_is_integer(value);
        out->bound_i64 = json_integer_value(value);
    }
    return is_good ? PINPIPE_OK : fail_wants(err, of, out->check_name, wanted, value);
}

static pinpipe_status values_read(pp_expectation *out, const datum *of, const json_t *value,
                                  pinpipe_error *err) {
    bool is_text = of->type == PINPIPE_TYPE_TEXT;
    size_t count = json_array_size(value);
    if (count == 0) {
        return fail_wants(err, of, out->check_name, "a list of values", value);
    }
    pinpipe_status status =
        pp_key_set_reserve(&out->keys, (int64_t)count, PINPIPE_EXPECTATIONS_BYTES_MAX, err);
    for (size_t i = 0; status == PINPIPE_OK && i < count; i++) {
        const json_t *item = json_array_get(value, i);
        int64_t number = json_integer_value(item);
        if (is_text ? !json_is_string(item) : !json_is_integer(item)) {
            return fail_wants(err, of, out->check_name, is_text ? "texts only" : "integers only", item);
        }
        pp_key key = is_text ? pp_key_of(json_string_value(item), json_string_length(item))
                             : pp_key_of(&number, sizeof number);
        if (!pp_key_set_put(&out->keys, key)) {
            return fail_wants(err, of, out->check_name, "each value once", item);
        }
    }
    return status;
}

/* Reads the argument of a check; `is_kept` is false for a `unique` that is not wanted. */
static pinpipe_status argument_read(bool *is_kept, pp_expectation *out, const datum *of, const json_t *value,
                                    pinpipe_error *err) {
    double share = json_is_number(value) ? json_number_value(value) : -1;
    *is_kept = true;
    switch (out->check) {
    case PINPIPE_CHECK_UNIQUE:
        *is_kept = json_is_true(value);
        return json_is_boolean(value) ? PINPIPE_OK
                                      : fail_wants(err, of, out->check_name, "true or false", value);
    case PINPIPE_CHECK_MIN:
    case PINPIPE_CHECK_MAX:
        return bound_read(out, of, value, err);
    case PINPIPE_CHECK_IN:
        return values_read(out, of, value, err);
    case PINPIPE_CHECK_NULL_SHARE_MAX:
        out->bound_f64[0] = share;
        return share >= 0 && share <= 1 ? PINPIPE_OK
                                        : fail_wants(err, of, out->check_name, "a share from 0 to 1", value);
    default:
        out->bound_i64 = json_integer_value(value);
        return json_is_integer(value) && out->bound_i64 >= 0
                   ? PINPIPE_OK
                   : fail_wants(err, of, out->check_name, "an integer of at least 0", value);
    }
}

static void expectation_reset(pp_expectation *expectation) {
    pinpipe_buf_reset(&expectation->expected);
    pp_key_set_reset(&expectation->keys);
}

static pinpipe_status list_grow(pinpipe_expectations *expectations, pinpipe_error *err) {
    if (expectations->count == PINPIPE_EXPECTATIONS_MAX) {
        return pp_fail(err, PINPIPE_ELIMIT, "expect: more than %d expectations", PINPIPE_EXPECTATIONS_MAX);
    }
    if (expectations->count < expectations->cap) {
        return PINPIPE_OK;
    }
    int32_t cap = expectations->cap ? expectations->cap * 2 : 16;
    pp_expectation *list = pp_realloc(expectations->list, (size_t)cap * sizeof *list);
    if (!list) {
        return pp_fail_memory(err, "expectations", (size_t)cap * sizeof *list);
    }
    expectations->list = list;
    expectations->cap = cap;
    return PINPIPE_OK;
}

static int32_t check_find(const char *name, uint32_t types) {
    for (int32_t i = 0; i < COUNT_OF(checks); i++) {
        if ((checks[i].types & types) && strcmp(checks[i].name, name) == 0) {
            return i;
        }
    }
    return -1;
}

static pinpipe_status expectation_add(pinpipe_expectations *expectations, const datum *of, const char *check,
                                      const json_t *value, const char *source, pinpipe_error *err) {
    char names[120];
    uint32_t types = of->column < 0 ? OF_ROWS : 1u << of->type;
    int32_t found = check_find(check, types);
    if (found < 0) {
        names_of_checks(names, sizeof names, types);
        return pp_fail(err, PINPIPE_EDATA, "expect.%s: '%.*s' is none of %s", of->text,
                       quote_len(check, strlen(check)), check, names);
    }
    pinpipe_status status = list_grow(expectations, err);
    if (status < 0) {
        return status;
    }
    pp_expectation made = {.record = of->record,
                           .column = of->column,
                           .type = of->type,
                           .check = checks[found].check,
                           .name = of->name,
                           .check_name = checks[found].name,
                           .source = source};
    bool is_kept = false;
    pp_range_init(&made.range);
    status = argument_read(&is_kept, &made, of, value, err);
    if (status == PINPIPE_OK && is_kept) {
        status = value_dump(&made.expected, value, err);
    }
    if (status == PINPIPE_OK && is_kept) {
        expectations->list[expectations->count++] = made;
    } else {
        expectation_reset(&made);
    }
    return status;
}

/* A least value above the greatest one is a slip of the author. */
static pinpipe_status bounds_check(const pp_expectation *list, int32_t count, const datum *of,
                                   pinpipe_error *err) {
    const pp_expectation *min = NULL;
    const pp_expectation *max = NULL;
    for (int32_t i = 0; i < count; i++) {
        bool is_min = list[i].check == PINPIPE_CHECK_MIN || list[i].check == PINPIPE_CHECK_ROWS_MIN;
        bool is_max = list[i].check == PINPIPE_CHECK_MAX || list[i].check == PINPIPE_CHECK_ROWS_MAX;
        min = is_min ? &list[i] : min;
        max = is_max ? &list[i] : max;
    }
    if (!min || !max) {
        return PINPIPE_OK;
    }
    bool is_crossed = min->bound_i64 > max->bound_i64;
    for (int32_t i = 0; i < 2; i++) {
        is_crossed |= min->bound_f64[i] > max->bound_f64[i];
    }
    return is_crossed
               ? pp_fail(err, PINPIPE_EDATA, "expect.%s: %s %.*s is more than %s %.*s", of->text,
                         min->check_name, quote_len(min->expected.ptr, min->expected.len), min->expected.ptr,
                         max->check_name, quote_len(max->expected.ptr, max->expected.len), max->expected.ptr)
               : PINPIPE_OK;
}

static pinpipe_status member_read(pinpipe_expectations *expectations, const char *name, json_t *member,
                                  pinpipe_error *err) {
    datum of;
    pinpipe_status status = datum_find(&of, name, err);
    if (status < 0) {
        return status;
    }
    const json_t *fatal = json_object_get(member, "fatal");
    if (!json_is_object(member) || json_object_size(member) == (fatal ? 1u : 0u)) {
        return pp_fail(err, PINPIPE_EDATA, "expect.%s: wants an object with at least one check", of.text);
    }
    if (fatal && !json_is_boolean(fatal)) {
        return fail_wants(err, &of, "fatal", "true or false", fatal);
    }
    int32_t first = expectations->count;
    const char *check = NULL;
    json_t *value = NULL;
    json_object_foreach(member, check, value) {
        if (strcmp(check, "fatal") != 0) {
            status = expectation_add(expectations, &of, check, value, "", err);
        }
        if (status < 0) {
            return status;
        }
    }
    for (int32_t i = first; i < expectations->count; i++) {
        expectations->list[i].is_fatal = json_is_true(fatal);
    }
    return bounds_check(expectations->list + first, expectations->count - first, &of, err);
}

static pinpipe_status document_read(pinpipe_expectations *expectations, const json_t *document,
                                    pinpipe_error *err) {
    json_t *expect = json_object_get(document, "expect");
    if (!json_is_object(expect)) {
        return pp_fail(err, PINPIPE_EDATA, "the rules have no object 'expect'");
    }
    const char *name = NULL;
    json_t *member = NULL;
    json_object_foreach(expect, name, member) {
        bool is_matches = strcmp(name, "matches") == 0;
        if (is_matches && !json_is_object(member)) {
            return pp_fail(err, PINPIPE_EDATA, "expect.matches: wants an object");
        }
        pinpipe_status status = is_matches ? PINPIPE_OK : member_read(expectations, name, member, err);
        if (status < 0) {
            return status;
        }
    }
    return PINPIPE_OK;
}

static pinpipe_status expectations_alloc(pinpipe_expectations **out, pinpipe_error *err) {
    *out = pp_alloc_zero(sizeof **out);
    return *out ? PINPIPE_OK : pp_fail_memory(err, "expectations", sizeof **out);
}

/* Parses JSON of any kind; the caller gives `out` back to jansson. */
static pinpipe_status json_read(json_t **out, pinpipe_str text, pinpipe_error *err) {
    json_error_t fault;
    if ((int64_t)text.len > PINPIPE_EXPECTATIONS_BYTES_MAX) {
        return pp_fail(err, PINPIPE_ELIMIT, "rules of %zu bytes; at most %lld are read", text.len,
                       (long long)PINPIPE_EXPECTATIONS_BYTES_MAX);
    }
    size_t how = JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL;
    *out = json_loadb(text.ptr ? text.ptr : "", text.len, how, &fault);
    if (*out) {
        return PINPIPE_OK;
    }
    if (json_error_code(&fault) == json_error_out_of_memory) {
        return pp_fail_memory(err, "rules", text.len);
    }
    return pp_fail(err, PINPIPE_EDATA, "the rules are not JSON: line %d, column %d: %s", fault.line,
                   fault.column, fault.text);
}

pinpipe_status pinpipe_expectations_decode(pinpipe_expectations **out, pinpipe_str json, pinpipe_error *err) {
    *out = NULL;
    pinpipe_expectations *made = NULL;
    json_t *document = NULL;
    pinpipe_status status = json_read(&document, json, err);
    if (status == PINPIPE_OK) {
        status = expectations_alloc(&made, err);
    }
    if (status == PINPIPE_OK) {
        status = document_read(made, document, err);
    }
    json_decref(document);
    if (status < 0) {
        pinpipe_expectations_free(made);
        return status;
    }
    *out = made;
    return PINPIPE_OK;
}

pinpipe_status pinpipe_expectations_new(pinpipe_expectations **out, pinpipe_str name, pinpipe_error *err) {
    *out = NULL;
    if (!pp_str_is(name, "course")) {
        return pp_fail(err, PINPIPE_EINVAL, "no built-in expectations '%.*s'; there are: course",
                       name.ptr ? quote_len(name.ptr, name.len) : 0, name.ptr ? name.ptr : "");
    }
    pinpipe_expectations *made = NULL;
    pinpipe_status status = expectations_alloc(&made, err);
    for (int32_t i = 0; status == PINPIPE_OK && i < COUNT_OF(course_rows); i++) {
        datum of;
        json_t *value = NULL;
        bool is_known = datum_set(&of, course_rows[i].record, course_rows[i].column);
        assert(is_known);
        (void)is_known;
        status = json_read(&value, pp_str(course_rows[i].argument), err);
        if (status == PINPIPE_OK) {
            status = expectation_add(made, &of, course_rows[i].check, value, course_rows[i].source, err);
        }
        json_decref(value);
    }
    if (status < 0) {
        pinpipe_expectations_free(made);
        return status;
    }
    *out = made;
    return PINPIPE_OK;
}

void pinpipe_expectations_free(pinpipe_expectations *expectations) {
    if (expectations) {
        for (int32_t i = 0; i < expectations->count; i++) {
            expectation_reset(&expectations->list[i]);
        }
        pp_free(expectations->list);
        pp_free(expectations);
    }
}

static const pp_column *key_column(const pp_columns *columns) {
    pp_step steps[PP_CLEAN_MAX];
    int32_t count = pp_steps(steps, columns->record, columns->shape);
    int32_t at = 0;
    while (at < count && steps[at].op != PP_OP_KEY) {
        at++;
    }
    assert(at < count);
    return &columns->column[at];
}

pinpipe_status pinpipe_expectations_add(pinpipe_expectations *expectations, const pinpipe_batch *batch,
                                        pinpipe_error *err) {
    if (batch->shape != PINPIPE_CLEAN) {
        return pp_fail(err, PINPIPE_EINVAL, "expectations are of clean columns, and the batch is raw");
    }
    int64_t rows = pinpipe_batch_rows(batch);
    pinpipe_status status = PINPIPE_OK;
    for (int32_t i = 0; rows > 0 && status == PINPIPE_OK && i < expectations->count; i++) {
        if (expectations->list[i].record == batch->record) {
            status = pp_expectation_reserve(&expectations->list[i], rows, err);
        }
    }
    const pp_column *keys = rows > 0 ? key_column(batch->columns) : NULL;
    for (int32_t i = 0; keys && status == PINPIPE_OK && i < expectations->count; i++) {
        if (expectations->list[i].record == batch->record) {
            pp_expectation_check(&expectations->list[i], batch->columns, keys);
        }
    }
    return status;
}

int32_t pinpipe_expectations_count(const pinpipe_expectations *expectations) {
    return expectations->count;
}

static double null_share(const pp_expectation *expectation) {
    return expectation->rows ? (double)expectation->nulls / (double)expectation->rows : 0;
}

/* What speaks against an expectation, as far as it is not counted row by row. */
static int64_t failures_of(const pp_expectation *expectation) {
    switch (expectation->check) {
    case PINPIPE_CHECK_NULL_SHARE_MAX:
        return null_share(expectation) > expectation->bound_f64[0] ? expectation->nulls : 0;
    case PINPIPE_CHECK_ROWS_MIN:
        return expectation->rows < expectation->bound_i64 ? expectation->bound_i64 - expectation->rows : 0;
    case PINPIPE_CHECK_ROWS_MAX:
        return expectation->rows > expectation->bound_i64 ? expectation->rows - expectation->bound_i64 : 0;
    default:
        return expectation->failures;
    }
}

/* A bound that was seen, as JSON. */
static size_t bound_write(char *out, const pp_expectation *expectation) {
    const pp_range *range = &expectation->range;
    bool is_min = expectation->check == PINPIPE_CHECK_MIN;
    int64_t integer = is_min ? range->min_i64 : range->max_i64;
    const double *doubles = is_min ? range->min_f64 : range->max_f64;
    size_t at = 0;
    if (range->count == 0) {
        return 0;
    }
    switch (expectation->type) {
    case PINPIPE_TYPE_TIME_US:
        out[at++] = '"';
        at += pp_time_write(out + at, integer);
        out[at++] = '"';
        return at;
    case PINPIPE_TYPE_F64:
        return pp_number_write_f64(out, doubles[0]);
    case PINPIPE_TYPE_F64_LIST:
        out[at++] = '[';
        at += pp_number_write_f64(out + at, doubles[0]);
        out[at++] = ',';
        at += pp_number_write_f64(out + at, doubles[1]);
        out[at++] = ']';
        return at;
    default:
        return pp_number_write_i64(out, integer);
    }
}

static size_t observed_write(char *out, const pp_expectation *expectation) {
    switch (expectation->check) {
    case PINPIPE_CHECK_UNIQUE:
        return pp_number_write_i64(out, expectation->keys.count);
    case PINPIPE_CHECK_MIN:
    case PINPIPE_CHECK_MAX:
        return bound_write(out, expectation);
    case PINPIPE_CHECK_IN:
        return 0;
    case PINPIPE_CHECK_NULL_SHARE_MAX:
        return pp_number_write_f64(out, null_share(expectation));
    default:
        return pp_number_write_i64(out, expectation->rows);
    }
}

pinpipe_status pinpipe_expectations_at(pinpipe_expectation *out, const pinpipe_expectations *expectations,
                                       int32_t index, pinpipe_error *err) {
    if (!out || out->struct_size < sizeof *out) {
        return pp_fail(err, PINPIPE_EINVAL, "an expectation lacks its struct_size");
    }
    if (index < 0 || index >= expectations->count) {
        return pp_fail(err, PINPIPE_EINVAL, "no expectation %d among %d", index, expectations->count);
    }
    const pp_expectation *from = &expectations->list[index];
    *out = (pinpipe_expectation){.struct_size = out->struct_size,
                                 .record = from->record,
                                 .check = (int32_t)from->check,
                                 .is_fatal = from->is_fatal,
                                 .rows = from->rows,
                                 .failures = failures_of(from),
                                 .expected = pp_buf_view(&from->expected),
                                 .column = from->name,
                                 .source = from->source};
    out->has_passed = out->failures == 0;
    if (!out->has_passed && from->has_failing_row) {
        out->has_failing_row = 1;
        out->failing_key = from->failing_key;
        out->failing_value = (pinpipe_str){from->failing, from->failing_len};
    }
    snprintf(out->id, sizeof out->id, "%s%s%s.%s", pinpipe_record_name(from->record), *from->name ? "." : "",
             from->name, from->check_name);
    out->observed[observed_write(out->observed, from)] = '\0';
    return PINPIPE_OK;
}
