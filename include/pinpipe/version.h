/* The version of these headers and of the library that is linked.
 * Never says anything of the versions of other libraries: see pinpipe_library_versions.
 * Rules: CMakeLists.txt and pyproject.toml read the three numbers from here. */
#ifndef PINPIPE_VERSION_H
#define PINPIPE_VERSION_H

#include "export.h"

PINPIPE_BEGIN_DECLS

/** The version of these headers. */
#define PINPIPE_VERSION_MAJOR 0
/** Until 1.0 another minor version is another library. */
#define PINPIPE_VERSION_MINOR 1
/** Changes nothing that a program relies on. */
#define PINPIPE_VERSION_PATCH 0
/** The three as text. */
#define PINPIPE_VERSION "0.1.0"

/** Returns the version of the linked library, such as "0.1.0"; static text. */
PINPIPE_API const char *pinpipe_version(void);

PINPIPE_END_DECLS

#endif
