/* Turns every request to Kinesis, or to a gateway before it, into an answer that says yes, over TLS on
 * loopback. Never looks at a record but to count it: it is to cost less than its clients. Rules: Amazon
 * Kinesis API Reference; docs/performance.md, "Kinesis". Ends with its standard input.
 *
 *     kinesis_server CERTIFICATE KEY SHARDS    0 shards: nobody may list them */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define REQUEST_MAX (24 << 20)
#define ANSWER_MAX (1 << 20)
#define SEQUENCE "49590338271490256608559692538361571095921575989136588898"
#define SHARD "shardId-000000000000"

__extension__ typedef unsigned __int128 hash_key;

static SSL_CTX *context;
static int shards;

typedef struct peer {
    SSL *tls;
    char *request, *answer;
    size_t len;
} peer;

static bool peer_read(peer *from, size_t wanted) {
    while (from->len < wanted) {
        int count = SSL_read(from->tls, from->request + from->len, (int)(REQUEST_MAX - 1 - from->len));
        if (count <= 0) {
            return false;
        }
        from->len += (size_t)count;
    }
    return true;
}

static size_t times(const char *text, size_t len, const char *part) {
    size_t count = 0, part_len = strlen(part);
    for (const char *at = text, *end = text + len; (at = memmem(at, (size_t)(end - at), part, part_len));
         at += part_len) {
        count++;
    }
    return count;
}

static size_t shards_write(char *out) {
    size_t len = (size_t)sprintf(out, "{\"Shards\":[");
    hash_key step = ~(hash_key)0 / (unsigned)(shards > 0 ? shards : 1);
    for (int i = 0; i < shards; i++) {
        char ends[2][40];
        hash_key edges[2] = {step * (unsigned)i,
                             i + 1 == shards ? ~(hash_key)0 : step * (unsigned)(i + 1) - 1};
        for (int edge = 0; edge < 2; edge++) {
            char *at = &ends[edge][39];
            *at = '\0';
            do {
                *--at = (char)('0' + (int)(edges[edge] % 10));
                edges[edge] /= 10;
            } while (edges[edge]);
            memmove(ends[edge], at, strlen(at) + 1);
        }
        len += (size_t)sprintf(
            out + len,
            "%s{\"ShardId\":\"shardId-%012d\",\"HashKeyRange\":{\"StartingHashKey\":\"%s\","
            "\"EndingHashKey\":\"%s\"},\"SequenceNumberRange\":{\"StartingSequenceNumber\":\"1\"}}",
            i ? "," : "", i, ends[0], ends[1]);
    }
    return len + (size_t)sprintf(out + len, "]}");
}

static size_t text_write(char *out, const char *key, const char *value) {
    out[0] = (char)(0x60 + strlen(key));
    memcpy(out + 1, key, strlen(key));
    char *to = out + 1 + strlen(key);
    size_t len = strlen(value), head = len < 24 ? 1 : 2;
    to[0] = (char)(len < 24 ? 0x60 + len : 0x78);
    to[head - 1] = (char)(len < 24 ? 0x60 + len : len);
    memcpy(to + head, value, len);
    return 1 + strlen(key) + head + len;
}

static hash_key key_hash(const char *key, size_t len) {
    unsigned char digest[16] = {0};
    hash_key hash = 0;
    EVP_Digest(key, len, digest, NULL, EVP_md5(), NULL);
    for (size_t i = 0; i < sizeof digest; i++) {
        hash = hash << 8 | digest[i];
    }
    return hash;
}

/* The shard of each record by its hash key, explicit or of its partition key. */
static size_t shards_told(char *out, const char *body, size_t body_len) {
    static const char mark[] = "\"PartitionKey\":\"", hash_mark[] = "ExplicitHashKey\":\"";
    size_t len = (size_t)sprintf(out, "{\"FailedRecordCount\":0,\"Records\":[");
    const char *end = body + body_len, *at = body;
    for (bool is_first = true; (at = memmem(at, (size_t)(end - at), mark, sizeof mark - 1));
         is_first = false) {
        const char *key = at + sizeof mark - 1, *stop = memchr(at, '}', (size_t)(end - at));
        stop = stop ? stop : end;
        const char *told = memmem(at, (size_t)(stop - at), hash_mark, sizeof hash_mark - 1);
        hash_key hash =
            told ? 0 : key_hash(key, (size_t)((const char *)memchr(key, '"', (size_t)(end - key)) - key));
        for (told = told ? told + sizeof hash_mark - 1 : NULL; told && *told >= '0' && *told <= '9'; told++) {
            hash = hash * 10 + (unsigned)(*told - '0');
        }
        hash_key index = hash / (~(hash_key)0 / (unsigned)shards);
        len += (size_t)sprintf(
            out + len, "%s{\"SequenceNumber\":\"" SEQUENCE "\",\"ShardId\":\"shardId-%012d\"}",
            is_first ? "" : ",", (int)(index < (unsigned)shards ? index : (unsigned)shards - 1));
        at = stop;
    }
    return len + (size_t)sprintf(out + len, "]}");
}

static size_t places_write(char *out, size_t count, bool is_cbor) {
    size_t len = 0;
    if (!is_cbor) {
        len = (size_t)sprintf(out, "{\"FailedRecordCount\":0,\"Records\":[");
        for (size_t i = 0; i < count; i++) {
            len += (size_t)sprintf(
                out + len, "%s{\"SequenceNumber\":\"" SEQUENCE "\",\"ShardId\":\"" SHARD "\"}", i ? "," : "");
        }
        return len + (size_t)sprintf(out + len, "]}");
    }
    memcpy(out, "\xa1\x67Records\x99", 10);
    out[10] = (char)(count >> 8);
    out[11] = (char)count;
    len = 12;
    for (size_t i = 0; i < count; i++) {
        out[len++] = (char)0xa2;
        len += text_write(out + len, "SequenceNumber", SEQUENCE);
        len += text_write(out + len, "ShardId", SHARD);
    }
    return len;
}

static bool answer_send(peer *to, int status, size_t body_len, bool is_cbor) {
    char head[256];
    int len = snprintf(
        head, sizeof head,
        "HTTP/1.1 %d X\r\nContent-Type: application/%s\r\nx-amzn-RequestId: 1\r\nContent-Length: %zu\r\n\r\n",
        status, is_cbor ? "x-amz-cbor-1.1" : "x-amz-json-1.1", body_len);
    char *from = to->answer + sizeof head - (size_t)len;
    memcpy(from, head, (size_t)len);
    return SSL_write(to->tls, from, len + (int)body_len) > 0;
}

static bool request_answer(peer *to, size_t head_len, size_t body_len) {
    char *out = to->answer + 256;
    const char *body = to->request + head_len;
    bool is_cbor = memmem(to->request, head_len, "cbor", 4);
    const char *target = memmem(to->request, head_len, "Kinesis_20131202.", 17);
    if (target && shards == 0 && strncmp(target + 17, "Put", 3) != 0) {
        size_t len = (size_t)sprintf(out, "{\"__type\":\"AccessDeniedException\",\"message\":\"no\"}");
        return answer_send(to, 400, len, false);
    }
    if (target && strncmp(target + 17, "Describe", 8) == 0) {
        size_t len =
            (size_t)sprintf(out,
                            "{\"StreamDescriptionSummary\":{\"StreamName\":\"bench\",\"StreamARN\":\"arn\","
                            "\"StreamStatus\":\"ACTIVE\",\"OpenShardCount\":%d,\"RetentionPeriodHours\":24}}",
                            shards);
        return answer_send(to, 200, len, false);
    }
    if (target && strncmp(target + 17, "List", 4) == 0) {
        return answer_send(to, 200, shards_write(out), false);
    }
    bool is_single =
        target ? strncmp(target + 17, "PutRecord\r", 10) == 0 : !memmem(to->request, 256, "/records", 8);
    if (is_single) {
        size_t len = (size_t)sprintf(out, "{\"SequenceNumber\":\"" SEQUENCE "\",\"ShardId\":\"" SHARD "\"}");
        return answer_send(to, 200, len, false);
    }
    if (shards > 0) {
        return answer_send(to, 200, shards_told(out, body, body_len), false);
    }
    size_t count = times(body, body_len, target ? "PartitionKey" : "partition-key");
    return answer_send(to, 200, places_write(out, count, is_cbor), is_cbor);
}

static size_t length_told(const char *head) {
    const char *at = strcasestr(head, "\r\ncontent-length:");
    return at ? strtoul(at + 17, NULL, 10) : 0;
}

static void *peer_serve(void *argument) {
    peer own = {SSL_new(context), malloc(REQUEST_MAX), malloc(ANSWER_MAX), 0};
    int socket_fd = (int)(intptr_t)argument, one = 1;
    setsockopt(socket_fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    SSL_set_fd(own.tls, socket_fd);
    bool is_going = own.request && own.answer && SSL_accept(own.tls) == 1;
    while (is_going) {
        char *end = NULL;
        while (is_going && !(end = own.len ? memmem(own.request, own.len, "\r\n\r\n", 4) : NULL)) {
            is_going = peer_read(&own, own.len + 1);
        }
        if (!is_going) {
            break;
        }
        size_t head_len = (size_t)(end + 4 - own.request);
        end[2] = '\0';
        size_t body_len = length_told(own.request);
        is_going = head_len + body_len < REQUEST_MAX && peer_read(&own, head_len + body_len) &&
                   request_answer(&own, head_len, body_len);
        own.len -= is_going ? head_len + body_len : 0;
        memmove(own.request, own.request + head_len + body_len, is_going ? own.len : 0);
    }
    SSL_free(own.tls);
    free(own.request);
    free(own.answer);
    close(socket_fd);
    return NULL;
}

static void *input_watch(void *unused) {
    char byte = 0;
    (void)unused;
    while (read(0, &byte, 1) > 0) {
    }
    exit(0);
}

int main(int count, char **words) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    pthread_t thread;
    if (count != 4) {
        fprintf(stderr, "kinesis_server CERTIFICATE KEY SHARDS\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    shards = (int)strtol(words[3], NULL, 10);
    context = SSL_CTX_new(TLS_server_method());
    if (!context || SSL_CTX_use_certificate_file(context, words[1], SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_use_PrivateKey_file(context, words[2], SSL_FILETYPE_PEM) != 1) {
        return 1;
    }
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(listener, 64) != 0 || getsockname(listener, (struct sockaddr *)&address, &len) != 0) {
        return 1;
    }
    printf("https://127.0.0.1:%d\n", ntohs(address.sin_port));
    fflush(stdout);
    pthread_create(&thread, NULL, input_watch, NULL);
    for (;;) {
        int accepted = accept(listener, NULL, NULL);
        if (accepted >= 0 && pthread_create(&thread, NULL, peer_serve, (void *)(intptr_t)accepted) == 0) {
            pthread_detach(thread);
        }
    }
}
