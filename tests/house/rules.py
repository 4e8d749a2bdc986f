"""The lists that the house checks walk: folders with levels, who may call what, how long things may be.

Never holds code: a new folder or a new exception is one row here.
Rules: DESIGN §2 (folders and wings), §3 (lengths), reference/style.md §10 (banned calls).
"""

from __future__ import annotations

# Folder: the folders below it that it may include. A wing never names the other, nor a service another.
FOLDERS: dict[str, frozenset[str]] = {
    "base": frozenset(),
    "text": frozenset({"base"}),
    "schema": frozenset({"base", "text"}),
    "record": frozenset({"base", "text", "schema"}),
    "codec": frozenset({"base", "text", "schema", "record"}),
    "clean": frozenset({"base", "text", "schema", "record", "codec"}),
    "aws": frozenset({"base", "text"}),
    "io": frozenset({"base", "text", "aws"}),
    "s3": frozenset({"base", "text", "aws", "io"}),
    "kafka": frozenset({"base", "text", "aws", "io"}),
    "rest": frozenset({"base", "text", "aws", "io"}),
    "kinesis": frozenset({"base", "text", "aws", "io"}),
    "gateway": frozenset({"base", "text", "aws", "io", "kafka", "kinesis"}),
    "pipeline": frozenset(
        {"base", "text", "schema", "record", "codec", "clean", "aws", "io", "s3", "kafka", "rest", "kinesis"},
    ),
}

# Outside header (by its beginning): the folders that may include it.
OUTSIDE_HEADERS: dict[str, frozenset[str]] = {
    "curl/": frozenset({"io", "s3"}),
    "librdkafka/": frozenset({"kafka"}),
    "expat.h": frozenset({"aws", "s3"}),
    "microhttpd.h": frozenset({"gateway"}),
    "jansson.h": frozenset({"clean", "aws", "kafka"}),
    "openssl/": frozenset({"base", "io"}),
    "isa-l/": frozenset({"base"}),
    "zlib.h": frozenset({"base"}),
    "zstd.h": frozenset({"base"}),
    "sys/socket.h": frozenset({"io"}),
    "netinet/": frozenset({"io"}),
    "netdb.h": frozenset({"io"}),
    "fcntl.h": frozenset({"io"}),
    "unistd.h": frozenset(
        {"io", "kafka", "pipeline"}
    ),  # getpid() of the fork check; its other calls are homed below
    "time.h": frozenset({"io"}),
    "sys/time.h": frozenset({"io"}),
    "sys/stat.h": frozenset({"io"}),
}

# The program may print which versions it is linked with: one file reads them all.
HEADER_EXCEPTIONS: frozenset[tuple[str, str]] = frozenset(
    {
        ("pipeline/versions.c", "curl/"),
        ("pipeline/versions.c", "librdkafka/"),
        ("pipeline/versions.c", "expat.h"),
        ("pipeline/versions.c", "openssl/"),
    },
)

# Never called, whatever the folder.
BANNED_CALLS: frozenset[str] = frozenset(
    [
        "abort",
        "alloca",
        "asctime",
        "atof",
        "atoi",
        "atol",
        "atoll",
        "ctime",
        "exit",
        "fprintf",
        "gets",
        "gmtime",
        "localtime",
        "perror",
        "printf",
        "putchar",
        "puts",
        "rand",
        "random",
        "scanf",
        "setenv",
        "setlocale",
        "signal",
        "sleep",
        "sprintf",
        "srand",
        "sscanf",
        "strcat",
        "strcpy",
        "strerror",
        "strncat",
        "strncpy",
        "strtok",
        "system",
        "tmpnam",
        "usleep",
        "vfprintf",
        "vprintf",
        "vsprintf",
    ],
)

# Called only in the named folder (`io/`) or file.
HOMED_CALLS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(
        ["malloc", "calloc", "realloc", "free", "strdup", "strndup", "asprintf"], ("base/memory.c",)
    ),
    "pthread_create": ("base/thread.c",),
    **dict.fromkeys(
        [
            "getenv",
            "secure_getenv",
            "time",
            "clock",
            "clock_gettime",
            "gettimeofday",
            "nanosleep",
            "clock_nanosleep",
            "open",
            "openat",
            "close",
            "read",
            "write",
            "pread",
            "pwrite",
            "fopen",
            "fclose",
            "fread",
            "fwrite",
            "fdopen",
            "opendir",
            "readdir",
            "stat",
            "fstat",
            "lstat",
            "unlink",
            "rename",
            "mkdir",
            "rmdir",
            "socket",
            "connect",
            "bind",
            "listen",
            "accept",
            "send",
            "recv",
            "poll",
            "select",
            "getaddrinfo",
            "getrandom",
            "fork",
            "execve",
            "execvp",
            "popen",
            "posix_spawn",
            "waitpid",
            "kill",
        ],
        ("io/",),
    ),
    "curl_easy_perform": ("io/", "s3/"),
    **dict.fromkeys(["strtod", "strtof", "strtol", "strtoll", "strtoul", "strtoull"], ("text/number.c",)),
    "strerror_r": ("base/", "io/"),
}

# (file, call): where the rule's reason does not hold, with the reason.
CALL_EXCEPTIONS: dict[tuple[str, str], str] = {}

MAX_FUNCTION_LINES = 70
MAX_FILE_LINES = 600

# A file header says what the file never does and where its rules come from.
HEADER_WORDS: tuple[str, ...] = ("never", "rules:")
