/* Turns the data wing (schema, batches, decoder) into pinpipe.native.
 * Never touches a socket.
 * Rules: docs/architecture.md, "The Python border". */
