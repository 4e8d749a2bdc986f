/* Turns a role into the form that STS wants, and the answer of STS into credentials or its refusal.
 * Never sends and never signs.
 * Rules: AWS STS API Reference 2011-06-15, AssumeRole and AssumeRoleWithWebIdentity. Built with S3 only, for
 * the XML. */
#ifndef PP_AWS_STS_H
#define PP_AWS_STS_H

#include "aws/chain.h"
#include "aws/credentials.h"

#define PP_STS_CODE_BYTES 64
#define PP_STS_TEXT_BYTES 200

/** What an ErrorResponse says; "" for what it lacks. */
typedef struct pp_sts_refusal {
    char code[PP_STS_CODE_BYTES];
    char message[PP_STS_TEXT_BYTES];
} pp_sts_refusal;

/** Appends the form. `token` is the web identity's; empty: AssumeRole. */
pinpipe_status pp_sts_form(pinpipe_buf *out, const pp_role *role, pinpipe_str session_name, pinpipe_str token,
                           pinpipe_error *err);

/** Errors: EDATA no answer of STS. */
pinpipe_status pp_sts_answer_decode(pinpipe_credentials **out, pinpipe_str document,
                                    pp_credentials_source source, pinpipe_error *err);

/** Reads what it can; never fails. */
void pp_sts_refusal_read(pp_sts_refusal *out, pinpipe_str document);

#endif
