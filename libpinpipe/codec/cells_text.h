/* Turns cells back into the JSON of a record, for rows that never had bytes of their own.
 * Never used for records that came as text: their own bytes are kept.
 * Rules: CONTRACT §4, "Rejects". */
#ifndef PP_CODEC_CELLS_TEXT_H
#define PP_CODEC_CELLS_TEXT_H

#include "base/buffer.h"
#include "codec/cells.h"

/** Appends one JSON object with the raw columns' names; missing cells are left out. */
pinpipe_status pp_cells_render(pinpipe_buf *out, int32_t record, const pp_cell *cells, pinpipe_error *err);

#endif
