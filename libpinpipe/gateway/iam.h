/* Turns signed requests into those that may come in: SigV4 of execute-api, as API Gateway checks it.
 * Never lets a request in before its whole body was held against its signature.
 * Rules: docs/gateway.md, "Keys, IAM, TLS and browsers"; docs/signing.md. */
#ifndef PP_GATEWAY_IAM_H
#define PP_GATEWAY_IAM_H

#include "gateway/server.h"

/** Reads the keys. Errors: EINVAL a line is no key (its number is told, nothing of it); ENOMEM. */
pinpipe_status pp_gateway_iam_open(pinpipe_gateway *gateway, pinpipe_error *err);
void pp_gateway_iam_free(pp_gateway_iam *iam);

/** Refuses what a head shows already: no signature, another region or service, a key that nobody knows, a
 * time that is not now. */
void pp_gateway_iam_admit(const pinpipe_gateway *gateway, pp_gateway_request *request,
                          struct MHD_Connection *handle);

/** Refuses a request whose signature is not that of its head and body. */
void pp_gateway_iam_verify(pinpipe_gateway *gateway, pp_gateway_connection *connection, const char *method,
                           const char *path);

#endif
