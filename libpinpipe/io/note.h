/* Turns a small file that outlives a crash into bytes, and takes it away when it has done its service.
 * Never reads what is larger than the caller says.
 * Rules: POSIX open(2), unlink(2); io/file.h writes such a file. */
#ifndef PP_IO_NOTE_H
#define PP_IO_NOTE_H

#include "base/error.h"
#include "pinpipe/value.h"

/** Replaces the content of `out`; a file that is not there is empty.
 * Errors: EIO as the system says; ELIMIT beyond `max` bytes; ENOMEM. */
pinpipe_status pp_note_read(pinpipe_buf *out, const char *path, size_t max, pinpipe_error *err);

/** A file that is not there is no error. */
pinpipe_status pp_note_remove(const char *path, pinpipe_error *err);

#endif
