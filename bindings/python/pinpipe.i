/* Turns the public C headers into the private Python module pinpipe.native.
 * Never decides anything for a user: types, names and documentation are those of the hand-written package.
 * Rules: docs/architecture.md, "The Python border". */
%module(package="pinpipe", threads="1") native

%{
#include "pinpipe/pinpipe.h"
%}

%include <stdint.i>
%include "typemaps.i"

%immutable;
%include "pinpipe/export.h"
%include "pinpipe/version.h"
%include "pinpipe/value.h"
%include "pinpipe/status.h"
%ignore pinpipe_library_configure;
%include "pinpipe/library.h"

%include "records.i"
%include "census.i"
%include "wire.i"
%include "kafka.i"
%include "rest.i"
%include "kafka_batch.i"
%include "gateway.i"
%include "log.i"
%include "kinesis.i"
%include "kinesis_batch.i"
%include "kinesis_consumer.i"
%include "lease.i"
