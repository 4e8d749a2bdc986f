/* Turns a small XML document into one call per finished element, by expat.
 * Never expands an entity of the document's own and never reads a DTD.
 * Rules: XML 1.0; OWASP "XML External Entity Prevention". */
#include "aws/xml.h"

#if PINPIPE_WITH_S3

#include <limits.h>
#include <stddef.h>
#include <string.h>

#include <expat.h>

#include "base/buffer.h"
#include "base/memory.h"

typedef struct xml_walk {
    XML_Parser parser;
    pp_xml_fn element;
    void *user;
    pinpipe_buf path, text;
    int depth;
    pinpipe_status status;
    pinpipe_error *err;
} xml_walk;

/* Answers of STS hold keys: what expat copies of them is wiped. Its size goes before each block. */
typedef union block_head {
    size_t size;
    max_align_t alignment;
} block_head;

static void *block_alloc(size_t size) {
    block_head *head = size < SIZE_MAX - sizeof *head ? pp_alloc(sizeof *head + size) : NULL;
    if (!head) {
        return NULL;
    }
    head->size = size;
    return head + 1;
}

static void block_free(void *ptr) {
    if (ptr) {
        block_head *head = (block_head *)ptr - 1;
        pp_wipe(ptr, head->size);
        pp_free(head);
    }
}

static void *block_realloc(void *ptr, size_t size) {
    void *larger = block_alloc(size);
    if (larger && ptr) {
        size_t former = ((block_head *)ptr - 1)->size;
        memcpy(larger, ptr, former < size ? former : size);
        block_free(ptr);
    }
    return larger;
}

static const XML_Memory_Handling_Suite blocks = {block_alloc, block_realloc, block_free};

static void walk_stop(xml_walk *walk, pinpipe_status status) {
    walk->status = status;
    XML_StopParser(walk->parser, XML_FALSE);
}

static void XMLCALL element_begin(void *user, const XML_Char *name, const XML_Char **attributes) {
    xml_walk *walk = user;
    (void)attributes;
    if (walk->status < 0) {
        return;
    }
    pp_buf_clear(&walk->text);
    if (++walk->depth > PP_XML_DEPTH_MAX || walk->path.len + strlen(name) >= PP_XML_PATH_MAX) {
        walk_stop(walk, pp_fail(walk->err, PINPIPE_EDATA, "XML is nested deeper than %d", PP_XML_DEPTH_MAX));
        return;
    }
    pinpipe_status status = pp_buf_printf(&walk->path, walk->err, "%s%s", walk->path.len ? "/" : "", name);
    if (status < 0) {
        walk_stop(walk, status);
    }
}

static void XMLCALL element_end(void *user, const XML_Char *name) {
    xml_walk *walk = user;
    if (walk->status < 0) {
        return;
    }
    pinpipe_status status =
        walk->element(pp_buf_view(&walk->path), pp_buf_view(&walk->text), walk->user, walk->err);
    size_t len = strlen(name);
    walk->path.len -= walk->path.len > len ? len + 1 : len;
    walk->path.ptr[walk->path.len] = '\0';
    walk->depth--;
    pp_buf_clear(&walk->text);
    if (status < 0) {
        walk_stop(walk, status);
    }
}

/* By a copy of our own, because realloc would leave the former bytes behind. */
static pinpipe_status text_grow(xml_walk *walk, size_t extra) {
    if (walk->text.len + extra < walk->text.cap) {
        return PINPIPE_OK;
    }
    pinpipe_buf larger = PINPIPE_BUF_INIT;
    pinpipe_status status =
        pp_buf_reserve(&larger, 2 * (walk->text.len + extra) + 1024, PP_BUF_MAX, walk->err);
    if (status == PINPIPE_OK) {
        status = pp_buf_append(&larger, walk->text.ptr, walk->text.len, walk->err);
    }
    if (status == PINPIPE_OK) {
        pp_buf_reset_secret(&walk->text);
        walk->text = larger;
    }
    return status;
}

static void XMLCALL text_take(void *user, const XML_Char *text, int len) {
    xml_walk *walk = user;
    if (walk->status < 0) {
        return;
    }
    pinpipe_status status = PINPIPE_OK;
    if (walk->text.len + (size_t)len > PP_XML_TEXT_MAX) {
        status = pp_fail(walk->err, PINPIPE_EDATA, "XML element %s: its text is longer than %d bytes",
                         walk->path.ptr, PP_XML_TEXT_MAX);
    } else {
        status = text_grow(walk, (size_t)len);
    }
    if (status == PINPIPE_OK) {
        status = pp_buf_append(&walk->text, text, (size_t)len, walk->err);
    }
    if (status < 0) {
        walk_stop(walk, status);
    }
}

static void XMLCALL doctype_refuse(void *user, const XML_Char *name, const XML_Char *system_id,
                                   const XML_Char *public_id, int internal) {
    xml_walk *walk = user;
    (void)name;
    (void)system_id;
    (void)public_id;
    (void)internal;
    walk_stop(walk, pp_fail(walk->err, PINPIPE_EDATA, "XML with a document type is refused"));
}

pinpipe_status pp_xml_walk(pinpipe_str document, pp_xml_fn element, void *user, pinpipe_error *err) {
    if (document.len > INT_MAX) {
        return pp_fail(err, PINPIPE_ELIMIT, "XML of %zu bytes is too large", document.len);
    }
    xml_walk walk = {.element = element, .user = user, .err = err};
    walk.parser = XML_ParserCreate_MM("UTF-8", &blocks, NULL);
    if (!walk.parser) {
        return pp_fail_memory(err, "an XML parser", 0);
    }
    XML_SetUserData(walk.parser, &walk);
    XML_SetElementHandler(walk.parser, element_begin, element_end);
    XML_SetCharacterDataHandler(walk.parser, text_take);
    XML_SetStartDoctypeDeclHandler(walk.parser, doctype_refuse);
    enum XML_Status parsed =
        XML_Parse(walk.parser, document.ptr ? document.ptr : "", (int)document.len, XML_TRUE);
    pinpipe_status status = walk.status;
    if (status == PINPIPE_OK && parsed != XML_STATUS_OK) {
        enum XML_Error code = XML_GetErrorCode(walk.parser);
        status = code == XML_ERROR_NO_MEMORY
                     ? pp_fail_memory(err, "an XML document", document.len)
                     : pp_fail(err, PINPIPE_EDATA, "XML line %lu: %s",
                               (unsigned long)XML_GetCurrentLineNumber(walk.parser), XML_ErrorString(code));
    }
    XML_ParserFree(walk.parser);
    pp_buf_reset_secret(&walk.text);
    pinpipe_buf_reset(&walk.path);
    return status;
}

pinpipe_status pp_xml_versions_write(pinpipe_buf *out, pinpipe_error *err) {
    XML_Expat_Version version = XML_ExpatVersionInfo();
    return pp_buf_printf(out, err, "expat %d.%d.%d\n", version.major, version.minor, version.micro);
}

#else

pinpipe_status pp_xml_versions_write(pinpipe_buf *out, pinpipe_error *err) {
    (void)out;
    (void)err;
    return PINPIPE_OK;
}

#endif
