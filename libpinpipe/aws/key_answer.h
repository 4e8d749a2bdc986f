/* Turns the JSON that hands out a temporary key (process, container, instance, SSO) into credentials.
 * Never quotes a value of it in an error, and wipes what was parsed.
 * Rules: docs/credentials.md, "Answers"; AWS SDKs and Tools Reference Guide, "Process credential provider",
 * "Container credential provider", "IMDS credential provider". */
#ifndef PP_AWS_KEY_ANSWER_H
#define PP_AWS_KEY_ANSWER_H

#include "aws/credentials.h"

/** Largest answer in bytes, and deepest nesting. */
#define PP_KEY_ANSWER_MAX 65536

typedef enum pp_key_answer_kind {
    PP_ANSWER_PROCESS = 0,   /* Version 1, AccessKeyId, SecretAccessKey, SessionToken?, Expiration? */
    PP_ANSWER_CONTAINER = 1, /* AccessKeyId, SecretAccessKey, Token, Expiration, AccountId? */
    PP_ANSWER_IMDS = 2,      /* the same with Code "Success" */
    PP_ANSWER_SSO = 3,       /* roleCredentials: accessKeyId, …, expiration in ms */
    PP_ANSWER_STS = 4,       /* AssumeRole…Response as JSON, Expiration in s */
} pp_key_answer_kind;

/** Errors: EDATA no such answer; EAUTH it says why there is no key; ELIMIT; ENOMEM. */
pinpipe_status pp_key_answer_decode(pinpipe_credentials **out, pinpipe_str json, pp_key_answer_kind kind,
                                    pp_credentials_source source, pinpipe_error *err);

/** What `aws sso login` leaves behind. */
typedef struct pp_sso_token {
    pinpipe_buf access_token; /* wipe it */
    int64_t expires_s;
} pp_sso_token;

pinpipe_status pp_sso_token_decode(pp_sso_token *out, pinpipe_str json, pinpipe_error *err);

/** The service's words of a JSON error answer, cut; "" where it has none. */
#define PP_ANSWER_WORDS_BYTES 160
void pp_key_answer_words(char out[PP_ANSWER_WORDS_BYTES], pinpipe_str json);

#endif
