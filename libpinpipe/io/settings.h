/* Turns environment and files, read once, into settings.
 * Never reads either again: a host program may change its environment while threads run.
 * Rules: aws/environment.def; docs/credentials.md, "Profiles". */
#ifndef PP_IO_SETTINGS_H
#define PP_IO_SETTINGS_H

#include "aws/chain.h"

/** Fills zeroed settings from the environment. `profile` and `region` are what the program gave; empty =
 * nothing. Errors: EINVAL a variable that is too long; ENOMEM. */
pinpipe_status pp_settings_load(pp_settings *out, pinpipe_str profile, pinpipe_str region,
                                pinpipe_error *err);

/** Reads the config and the credentials file.
 * Errors: EDATA a file that is none of profiles; EIO, ELIMIT; ENOMEM. */
pinpipe_status pp_settings_read(pp_settings *settings, pinpipe_error *err);

/** Writes a service's endpoint: the settings' own, else Amazon's for their region.
 * Errors: EINVAL no region, or a bad one; ENOMEM. */
pinpipe_status pp_settings_endpoint_write(pinpipe_buf *out, const pp_settings *settings, pinpipe_str service,
                                          pinpipe_error *err);

/** Appends "<home>/.aws/<name>"; nothing where there is no home. */
pinpipe_status pp_settings_home_path(pinpipe_buf *out, const pp_settings *settings, const char *name,
                                     pinpipe_error *err);

#endif
