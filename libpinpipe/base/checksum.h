/* Turns bytes, piece by piece, into the checksums that an object's trailer can carry.
 * Never keeps the bytes.
 * Rules: S3 API Reference, "Checking object integrity": CRC-32, CRC-32C, CRC-64/NVME, SHA-256. */
#ifndef PP_BASE_CHECKSUM_H
#define PP_BASE_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

/** Continue with what the last call gave; begin with 0. CRC-32: reflected 0x04C11DB7, as gzip has it. */
uint32_t pp_crc32(uint32_t before, const void *bytes, size_t len);
/** CRC-32C: reflected 0x1EDC6F41, as iSCSI has it. */
uint32_t pp_crc32c(uint32_t before, const void *bytes, size_t len);
/** CRC-64/NVME: reflected 0xAD93D23594C93659. */
uint64_t pp_crc64nvme(uint64_t before, const void *bytes, size_t len);

/** The two implementations of CRC-64/NVME, for tests to compare: 8 bytes a step by tables, and 16 by
 * carry-less products where the processor has them (else by tables too). */
uint64_t pp_crc64nvme_tables(uint64_t before, const void *bytes, size_t len);

#endif
