/* Turns the text of a Java map, {ind=1, country=Albania}, into cells.
 * Never splits at a comma alone: only where one of the record's own field names follows.
 * Rules: domain.md §3.5, FileStreamSink; what could be read in two ways is refused. */
#ifndef PP_CODEC_FILESTREAM_RECORD_H
#define PP_CODEC_FILESTREAM_RECORD_H

#include "codec/cells.h"

/** Reads one map that fills `text` but for blanks; a text `null` is null. Cells point into `text`. False:
 * `fault` says why. */
bool pp_filestream_record(pp_record_cells *out, pp_fields *fields, const char *text, size_t len,
                          pp_fault *fault);

/** True when `text` begins a map with one of the record's field names. */
bool pp_filestream_begins(pp_fields *fields, const char *text, size_t len);

#endif
