/* Turns bytes, piece by piece, into CRC-32 and CRC-32C: by ISA-L, or by tables in a build without it.
 * Never keeps the bytes.
 * Rules: isa-l/crc.h: which of its functions invert at the ends, and which leave that to the caller. */
#include "base/checksum.h"

#if PINPIPE_WITH_ISAL

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

#else

#include "base/crc_tables.h"

/* Rows of table k for single bits, of 0xEDB88320 and of 0x82F63B78. */
#define BASIS_0                                                                                              \
    0x77073096U, 0xee0e612cU, 0x076dc419U, 0x0edb8832U, 0x1db71064U, 0x3b6e20c8U, 0x76dc4190U, 0xedb88320U
#define BASIS_1                                                                                              \
    0x191b3141U, 0x32366282U, 0x646cc504U, 0xc8d98a08U, 0x4ac21251U, 0x958424a2U, 0xf0794f05U, 0x3b83984bU
#define BASIS_2                                                                                              \
    0x01c26a37U, 0x0384d46eU, 0x0709a8dcU, 0x0e1351b8U, 0x1c26a370U, 0x384d46e0U, 0x709a8dc0U, 0xe1351b80U
#define BASIS_3                                                                                              \
    0xb8bc6765U, 0xaa09c88bU, 0x8f629757U, 0xc5b428efU, 0x5019579fU, 0xa032af3eU, 0x9b14583dU, 0xed59b63bU
#define BASIS_4                                                                                              \
    0x3d6029b0U, 0x7ac05360U, 0xf580a6c0U, 0x30704bc1U, 0x60e09782U, 0xc1c12f04U, 0x58f35849U, 0xb1e6b092U
#define BASIS_5                                                                                              \
    0xcb5cd3a5U, 0x4dc8a10bU, 0x9b914216U, 0xec53826dU, 0x03d6029bU, 0x07ac0536U, 0x0f580a6cU, 0x1eb014d8U
#define BASIS_6                                                                                              \
    0xa6770bb4U, 0x979f1129U, 0xf44f2413U, 0x33ef4e67U, 0x67de9cceU, 0xcfbd399cU, 0x440b7579U, 0x8816eaf2U
#define BASIS_7                                                                                              \
    0xccaa009eU, 0x4225077dU, 0x844a0efaU, 0xd3e51bb5U, 0x7cbb312bU, 0xf9766256U, 0x299dc2edU, 0x533b85daU
#define BASIS_C_0                                                                                            \
    0xf26b8303U, 0xe13b70f7U, 0xc79a971fU, 0x8ad958cfU, 0x105ec76fU, 0x20bd8edeU, 0x417b1dbcU, 0x82f63b78U
#define BASIS_C_1                                                                                            \
    0x13a29877U, 0x274530eeU, 0x4e8a61dcU, 0x9d14c3b8U, 0x3fc5f181U, 0x7f8be302U, 0xff17c604U, 0xfbc3faf9U
#define BASIS_C_2                                                                                            \
    0xa541927eU, 0x4f6f520dU, 0x9edea41aU, 0x38513ec5U, 0x70a27d8aU, 0xe144fb14U, 0xc76580d9U, 0x8b277743U
#define BASIS_C_3                                                                                            \
    0xdd45aab8U, 0xbf672381U, 0x7b2231f3U, 0xf64463e6U, 0xe964b13dU, 0xd725148bU, 0xaba65fe7U, 0x52a0c93fU
#define BASIS_C_4                                                                                            \
    0x38116facU, 0x7022df58U, 0xe045beb0U, 0xc5670b91U, 0x8f2261d3U, 0x1ba8b557U, 0x37516aaeU, 0x6ea2d55cU
#define BASIS_C_5                                                                                            \
    0xef306b19U, 0xdb8ca0c3U, 0xb2f53777U, 0x6006181fU, 0xc00c303eU, 0x85f4168dU, 0x0e045bebU, 0x1c08b7d6U
#define BASIS_C_6                                                                                            \
    0x68032cc8U, 0xd0065990U, 0xa5e0c5d1U, 0x4e2dfd53U, 0x9c5bfaa6U, 0x3d5b83bdU, 0x7ab7077aU, 0xf56e0ef4U
#define BASIS_C_7                                                                                            \
    0x493c7d27U, 0x9278fa4eU, 0x211d826dU, 0x423b04daU, 0x847609b4U, 0x0d006599U, 0x1a00cb32U, 0x34019664U

static const uint64_t tables[8][256] = {PP_CRC_TABLE(BASIS_0), PP_CRC_TABLE(BASIS_1), PP_CRC_TABLE(BASIS_2),
                                        PP_CRC_TABLE(BASIS_3), PP_CRC_TABLE(BASIS_4), PP_CRC_TABLE(BASIS_5),
                                        PP_CRC_TABLE(BASIS_6), PP_CRC_TABLE(BASIS_7)};
static const uint64_t tables_c[8][256] = {
    PP_CRC_TABLE(BASIS_C_0), PP_CRC_TABLE(BASIS_C_1), PP_CRC_TABLE(BASIS_C_2), PP_CRC_TABLE(BASIS_C_3),
    PP_CRC_TABLE(BASIS_C_4), PP_CRC_TABLE(BASIS_C_5), PP_CRC_TABLE(BASIS_C_6), PP_CRC_TABLE(BASIS_C_7)};

uint32_t pp_crc32(uint32_t before, const void *bytes, size_t len) {
    return ~(uint32_t)pp_crc_tables_run(tables, ~before, bytes, len);
}

uint32_t pp_crc32c(uint32_t before, const void *bytes, size_t len) {
    return ~(uint32_t)pp_crc_tables_run(tables_c, ~before, bytes, len);
}

#endif
