/* The umbrella: every public header of libpinpipe.
 * Never declares anything itself.
 * Rules: docs/architecture.md, "Grammar of the C API". */
#ifndef PINPIPE_PINPIPE_H
#define PINPIPE_PINPIPE_H

#include "export.h"
#include "version.h"
#include "value.h"
#include "status.h"
#include "library.h"
#include "arrow.h"
#include "schema.h"
#include "batch.h"
#include "statistics.h"
#include "expectations.h"
#include "decode.h"
#include "credentials.h"
#include "provider.h"
#include "sign.h"
#include "s3.h"
#include "kafka.h"
#include "kafka_rest.h"
#include "kafka_batch.h"
#include "kafka_rows.h"
#include "gateway.h"
#include "kinesis.h"
#include "kinesis_consumer.h"
#include "kinesis_gateway.h"
#include "kinesis_rows.h"
#include "lease.h"
#include "profile.h"
#include "sink.h"
#include "objects.h"
#include "emulator.h"

#endif
