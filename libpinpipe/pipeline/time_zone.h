/* Turns the name of a time zone and a time into how far its clocks are ahead of UTC.
 * Never touches the process's own time zone.
 * Rules: RFC 9636 (TZif files, the POSIX rule in their footer). */
#ifndef PP_PIPELINE_TIME_ZONE_H
#define PP_PIPELINE_TIME_ZONE_H

#include "base/error.h"
#include "pinpipe/value.h"

typedef struct pp_time_zone pp_time_zone;

/** Opens "UTC", "+02:00" or a name of the system's time zone database; empty = UTC. Errors: EINVAL no such
 * name; EDATA a damaged file; ENOMEM. */
pinpipe_status pp_time_zone_open(pp_time_zone **out, pinpipe_str name, pinpipe_error *err);

/** NULL is allowed. */
void pp_time_zone_free(pp_time_zone *zone);

/** Milliseconds that its clocks are ahead of UTC at `utc_ms`. */
int64_t pp_time_zone_offset_ms(const pp_time_zone *zone, int64_t utc_ms);

#endif
