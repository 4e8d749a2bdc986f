/* Turns every vector of tests/vectors/rules into a decoded record and compares row and census.
 * Never touches the network; the vectors are data, one a line.
 * Rules: libpinpipe/schema/rules.def; every rule of every shape must be met by a vector. */
#include "check.h"

#include <stdlib.h>

#include "base/buffer.h"
#include "pinpipe/decode.h"

#define LARGE_BYTES ((size_t)16 << 20)

typedef struct base_field {
    const char *kind;
    const char *name;
    const char *text;
} base_field;

static const base_field base_fields[] = {
    {"pin", "unique_id", "\"u\""},
    {"pin", "title", "\"t\""},
    {"pin", "description", "\"d\""},
    {"pin", "poster_name", "\"p\""},
    {"pin", "follower_count", "\"1k\""},
    {"pin", "tag_list", "\"a,b\""},
    {"pin", "is_image_or_video", "\"image\""},
    {"pin", "image_src", "\"s\""},
    {"pin", "downloaded", "1"},
    {"pin", "save_location", "\"Local save in /data/art\""},
    {"pin", "category", "\"art\""},
    {"geo", "timestamp", "\"2020-08-28T03:52:47\""},
    {"geo", "latitude", "-89.9787"},
    {"geo", "longitude", "-173.293"},
    {"geo", "country", "\"Albania\""},
    {"user", "first_name", "\"Ada\""},
    {"user", "last_name", "\"Lo\""},
    {"user", "age", "20"},
    {"user", "date_joined", "\"2015-10-24 11:23:51\""},
};

typedef struct vector {
    char *kind;
    char *profile; /* "raw": the raw shape; else a built-in profile, or a rule file beside the vectors */
    char *rule;
    char *input;
    char *output;
    char *census;
} vector;

/* Rules met so far, by record and shape. */
static bool met[3][2][256];

static void fields_append(pinpipe_buf *out, const char *kind, const char *left_out, size_t left_out_len) {
    const char *separator = "";
    for (size_t i = 0; i < sizeof base_fields / sizeof base_fields[0]; i++) {
        const base_field *field = &base_fields[i];
        bool is_left_out =
            strlen(field->name) == left_out_len && strncmp(field->name, left_out, left_out_len) == 0;
        if (strcmp(field->kind, kind) == 0 && !is_left_out) {
            CHECK(pp_buf_printf(out, NULL, "%s\"%s\":%s", separator, field->name, field->text) == PINPIPE_OK);
            separator = ",";
        }
    }
}

static void input_expand(pinpipe_buf *out, const vector *v) {
    for (const char *at = v->input; *at;) {
        if (*at == '$') {
            const char *name = at[1] == '-' ? at + 2 : at + 1;
            size_t len = at[1] == '-' ? strspn(name, "abcdefghijklmnopqrstuvwxyz_") : 0;
            fields_append(out, v->kind, name, len);
            at = name + len;
        } else if (*at == '#') {
            CHECK(pp_buf_reserve(out, LARGE_BYTES, PP_BUF_MAX, NULL) == PINPIPE_OK);
            memset(out->ptr + out->len, 'x', LARGE_BYTES);
            out->len += LARGE_BYTES;
            at++;
        } else {
            CHECK(pp_buf_append(out, at++, 1, NULL) == PINPIPE_OK);
        }
    }
}

/* Notes that a rule of the tables was met; a rule file's own are none of them. */
static void rule_meet(const char *id, int32_t record, int32_t shape) {
    for (int32_t i = 0; i < pinpipe_rule_count(record, shape); i++) {
        pinpipe_rule_info info = PINPIPE_RULE_INFO_INIT;
        CHECK(pinpipe_rule_at(&info, record, shape, i, NULL) == PINPIPE_OK);
        met[record][shape][i] = met[record][shape][i] || strcmp(info.id, id) == 0;
    }
}

static void census_render(pinpipe_buf *out, const pinpipe_report *report, const pinpipe_profile *profile,
                          int32_t record, int32_t shape) {
    const char *separator = "";
    int32_t count = profile ? pinpipe_profile_count(profile, record) : pinpipe_rule_count(record, shape);
    for (int32_t i = 0; i < count; i++) {
        pinpipe_rule_info info = PINPIPE_RULE_INFO_INIT;
        CHECK((profile ? pinpipe_profile_at(&info, profile, record, i, NULL)
                       : pinpipe_rule_at(&info, record, shape, i, NULL)) == PINPIPE_OK);
        int64_t hits = pinpipe_report_hits(report, i);
        if (hits > 0) {
            rule_meet(info.id, record, shape);
            CHECK(pp_buf_printf(out, NULL, "%s%s=%lld", separator, info.id, (long long)hits) == PINPIPE_OK);
            separator = " ";
        }
    }
}

/* A failed vector is shown with its line's content. */
static void vector_compare(const vector *v, const pinpipe_buf *row, const pinpipe_buf *census) {
    const char *text = row->ptr ? row->ptr : "";
    bool is_row_right = *v->output ? strstr(text, v->output) != NULL : row->len == 0;
    bool is_census_right = strcmp(census->ptr ? census->ptr : "", v->census) == 0;
    CHECK(is_row_right && is_census_right);
    if (!is_row_right || !is_census_right) {
        fprintf(stderr, "  %s %s %s %.200s\n  row %.400s  census %s\n", v->kind, v->profile, v->rule,
                v->input, text, census->ptr ? census->ptr : "");
    }
}

/* The profile of a vector; NULL for the raw shape and for the default. */
static pinpipe_profile *profile_open(const char *name) {
    char path[512];
    pinpipe_profile *profile = NULL;
    pinpipe_error err = PINPIPE_ERROR_INIT;
    if (strcmp(name, "raw") == 0 || strcmp(name, "clean") == 0) {
        return NULL;
    }
    snprintf(path, sizeof path, PINPIPE_SOURCE_DIR "/tests/vectors/rules/%s.json", name);
    FILE *file = fopen(path, "rb");
    if (!file) {
        CHECK(pinpipe_profile_new(&profile, pp_str(name), NULL) == PINPIPE_OK);
        return profile;
    }
    char text[8192];
    size_t len = fread(text, 1, sizeof text, file);
    fclose(file);
    CHECK(pinpipe_profile_decode(&profile, (pinpipe_str){text, len}, &err) == PINPIPE_OK);
    if (!profile) {
        fprintf(stderr, "%s: %s\n", path, err.message);
    }
    return profile;
}

static void vector_run(const vector *v) {
    pinpipe_buf input = PINPIPE_BUF_INIT;
    pinpipe_buf row = PINPIPE_BUF_INIT;
    pinpipe_buf census = PINPIPE_BUF_INIT;
    pinpipe_batch *batch = NULL;
    pinpipe_report *report = NULL;
    pinpipe_decoder *decoder = NULL;
    pinpipe_decoder_options options = PINPIPE_DECODER_OPTIONS_INIT;
    options.record = pinpipe_record_find(pp_str(v->kind));
    options.shape = strcmp(v->profile, "raw") == 0 ? PINPIPE_RAW : PINPIPE_CLEAN;
    options.profile = profile_open(v->profile);
    input_expand(&input, v);
    CHECK(pinpipe_decoder_new(&decoder, &options, NULL) == PINPIPE_OK);
    CHECK(pinpipe_batch_new(&batch, options.record, options.shape, NULL) == PINPIPE_OK);
    CHECK(pinpipe_report_new(&report, options.record, options.shape, NULL) == PINPIPE_OK);
    CHECK(pinpipe_decoder_feed_record(decoder, batch, pp_buf_view(&input), report, NULL) >= 0);
    CHECK(pinpipe_batch_encode(&row, batch, PINPIPE_FORMAT_NDJSON, NULL) == PINPIPE_OK);
    CHECK_INT(pinpipe_batch_rows(batch) + pinpipe_report_rejected(report) + pinpipe_report_dropped(report),
              1);
    if (pinpipe_report_rejected(report)) {
        pinpipe_reject reject = PINPIPE_REJECT_INIT;
        CHECK(pinpipe_report_reject_at(&reject, report, 0, NULL) == PINPIPE_OK);
        CHECK(strncmp(reject.reason.ptr, v->rule, strlen(v->rule)) == 0);
        CHECK_INT(reject.data_bytes, input.len);
    }
    census_render(&census, report, options.profile, options.record, options.shape);
    vector_compare(v, &row, &census);
    pinpipe_profile_free(options.profile);
    pinpipe_decoder_free(decoder);
    pinpipe_batch_free(batch);
    pinpipe_report_free(report);
    pinpipe_buf_reset(&input);
    pinpipe_buf_reset(&row);
    pinpipe_buf_reset(&census);
}

/* Cuts a line at its tabs. */
static bool vector_read(vector *out, char *line) {
    char **part[] = {&out->kind, &out->profile, &out->rule, &out->input, &out->output, &out->census};
    line[strcspn(line, "\n")] = '\0';
    for (size_t i = 0; i < sizeof part / sizeof part[0]; i++) {
        *part[i] = line;
        char *tab = strchr(line, '\t');
        if (!tab) {
            return i == 5;
        }
        *tab = '\0';
        line = tab + 1;
    }
    return true;
}

/* A rule that no vector meets is a claim that nobody checked. */
static void shape_all_met(int32_t record, int32_t shape) {
    for (int32_t i = 0; i < pinpipe_rule_count(record, shape); i++) {
        pinpipe_rule_info info = PINPIPE_RULE_INFO_INIT;
        CHECK(pinpipe_rule_at(&info, record, shape, i, NULL) == PINPIPE_OK);
        CHECK(met[record][shape][i]);
        if (!met[record][shape][i]) {
            fprintf(stderr, "no vector meets %s in shape %d\n", info.id, shape);
        }
    }
}

int main(int argc, char **argv) {
    const char *path = argc > 1 ? argv[1] : PINPIPE_SOURCE_DIR "/tests/vectors/rules/rules.tsv";
    FILE *file = fopen(path, "r");
    static char line[8192];
    CHECK(file != NULL);
    while (file && fgets(line, sizeof line, file)) {
        vector v = {0};
        if (line[0] != '#' || line[1] != ' ') {
            CHECK(vector_read(&v, line));
            vector_run(&v);
        }
    }
    if (file) {
        fclose(file);
    }
    for (int32_t record = 0; record < pinpipe_record_count(); record++) {
        shape_all_met(record, PINPIPE_RAW);
        shape_all_met(record, PINPIPE_CLEAN);
    }
    return check_report();
}
