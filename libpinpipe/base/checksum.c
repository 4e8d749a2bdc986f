/* Turns bytes, piece by piece, into CRC-32 and CRC-32C by ISA-L.
 * Never keeps the bytes.
 * Rules: isa-l/crc.h: which of its functions invert at the ends, and which leave that to the caller. */
#include "base/checksum.h"

#include <isa-l/crc.h>

uint32_t pp_crc32(uint32_t before, const void *bytes, size_t len) {
    return crc32_gzip_refl(before, bytes, len);
}

uint32_t pp_crc32c(uint32_t before, const void *bytes, size_t len) {
    const unsigned char *cursor = bytes;
    uint32_t crc = ~before;
    while (len) { /* it counts in ints */
        size_t piece = len < (1U << 30) ? len : (1U << 30);
        crc = crc32_iscsi((unsigned char *)cursor, (int)piece, crc);
        cursor += piece;
        len -= piece;
    }
    return ~crc;
}
