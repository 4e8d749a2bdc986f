/* Turns a small XML document into one call per finished element.
 * Never expands an entity of the document's own and never reads a DTD: a document with one is refused.
 * Rules: XML 1.0 by expat; built with S3 only. */
#ifndef PP_AWS_XML_H
#define PP_AWS_XML_H

#include "base/error.h"
#include "pinpipe/value.h"

/** Deepest nesting, and longest path and text of one element in bytes. */
#define PP_XML_DEPTH_MAX 16
#define PP_XML_PATH_MAX 512
#define PP_XML_TEXT_MAX 65536

/** Called at the end of an element: `path` is "Error/Code", `text` its own character data (both borrowed for
 * the call). A negative status stops the walk and is its result. */
typedef pinpipe_status (*pp_xml_fn)(pinpipe_str path, pinpipe_str text, void *user, pinpipe_error *err);

/** Errors: EDATA not well-formed, a DTD, nested or written beyond the maxima; what `element` returned;
 * ENOMEM. */
pinpipe_status pp_xml_walk(pinpipe_str document, pp_xml_fn element, void *user, pinpipe_error *err);

/** Appends the "name version" line of expat; nothing in a build without it. */
pinpipe_status pp_xml_versions_write(pinpipe_buf *out, pinpipe_error *err);

#endif
