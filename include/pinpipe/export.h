/* Visibility and attribute macros of the public headers.
 * Never declares a function or a type.
 * Rules: docs/architecture.md, "Grammar of the C API". */
#ifndef PINPIPE_EXPORT_H
#define PINPIPE_EXPORT_H

#if defined(__GNUC__) || defined(__clang__)
#define PINPIPE_API __attribute__((visibility("default")))
#define PINPIPE_MUST_CHECK __attribute__((warn_unused_result))
#else
#define PINPIPE_API
#define PINPIPE_MUST_CHECK
#endif

#ifdef __cplusplus
#define PINPIPE_BEGIN_DECLS extern "C" {
#define PINPIPE_END_DECLS }
#else
#define PINPIPE_BEGIN_DECLS
#define PINPIPE_END_DECLS
#endif

#endif
