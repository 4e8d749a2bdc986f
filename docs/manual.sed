# Doxygen's marks, put where the headers' plain comments stand.
# The lines at a header's top are the file's; a comment behind a field or a constant is that one's.
1s%^/\* %/** @file\n * %
s%([,;{=(A-Za-z0-9_]) +/\* %\1 /**< %
# A place-holder such as <topic> is no HTML.
/^#/!s%<(\/?[a-z_ ]+)>%\\<\1\\>%g
# What every struct has is said in docs/c.md.
s%^( *uint32_t struct_size;)$%\1 /**< sizeof of the struct, as its _INIT macro sets it */%
s%^( *u?int32_t reserved;).*$%\1 /**< 0 */%
s%^#define (PINPIPE_[A-Z0-9_]+_INIT)( .*)?$%/** The struct with every field at its default and its size set. */\n&%
# The pages that docs/c.md links are no part of the manual.
s%\[([^]]*)\]\([^)]*\)%\1%g
