"""Records that are whole, and lines that are none, as data: what the bad-input tests and the fuzz seeds share.

Never imports anything but the standard library: the seeds are made where only that is there.
Rules: CONTRACT §4 (what is rejected); the values are those of the domain notes §2.1.
"""

from __future__ import annotations

import json
from typing import Any

GEO = {
    "ind": 1,
    "timestamp": "2020-08-28T03:52:47",
    "latitude": -89.9787,
    "longitude": 0.5,
    "country": "Aruba",
}
USER = {"ind": 7, "first_name": "Ann", "last_name": "Lee", "age": 30, "date_joined": "2016-01-02 03:04:05"}
PIN = {
    "index": 7528,
    "unique_id": "fbe53c66-3442-4773-b19e-d3ec6f54dddf",
    "title": "No Title Data Available",
    "description": "No description available Story format",
    "poster_name": "User Info Error",
    "follower_count": "1.5k",
    "tag_list": "N,o, ,T,a,g,s, ,A,v,a,i,l,a,b,l,e",
    "is_image_or_video": "multi-video(story page format)",
    "image_src": "Image src error.",
    "downloaded": 0,
    "save_location": "Local save in /data/mens-fashion",
    "category": "mens-fashion",
}


def as_json(record: dict[str, Any]) -> bytes:
    """The record as the course's emulator writes it."""
    return json.dumps(record).encode()


GOOD = [as_json(GEO | {"ind": number}) for number in range(4)]

BAD_LINES = {
    "malformed": b'{"ind": 2, "country": }',
    "no comma": b'{"ind": 2 "country": "Aruba"}',
    "single quotes": b"{'ind': 2}",
    "truncated in a text": b'{"ind": 2, "country": "Aru',
    "truncated in a number": b'{"ind": 2, "latitude": -',
    "truncated in a literal": b'{"ind": 2, "latitude": nul',
    "trailing comma": b'{"ind": 2,}',
    "leading zero": b'{"ind": 2, "latitude": 01.5}',
    "something after the record": b'{"ind": 2} x',
    "two records on a line without a break": b'{"ind": 2}{"ind"',
    "invalid UTF-8": b'{"ind": 2, "country": "\xff\xfe"}',
    "overlong UTF-8": b'{"ind": 2, "country": "\xc0\xaf"}',
    "UTF-8 cut short": b'{"ind": 2, "country": "\xe2\x82"}',
    "surrogate in UTF-8": b'{"ind": 2, "country": "\xed\xa0\x80"}',
    "lone surrogate escape": b'{"ind": 2, "country": "\\ud83d"}',
    "unknown escape": b'{"ind": 2, "country": "\\x41"}',
    "control character in a text": b'{"ind": 2, "country": "a\x01b"}',
    "NaN": b'{"ind": 2, "latitude": NaN}',
    "a number": b"17",
    "a text": b'"ind"',
    "null": b"null",
    "an empty array": b"[]",
    "key missing": b'{"country": "Aruba"}',
    "key null": b'{"ind": null, "country": "Aruba"}',
    "key a fraction": b'{"ind": 2.5, "country": "Aruba"}',
    "key a word": b'{"ind": "two", "country": "Aruba"}',
    "key a list": b'{"ind": [2], "country": "Aruba"}',
    "key true": b'{"ind": true, "country": "Aruba"}',
    "key beyond int64": b'{"ind": 9223372036854775808, "country": "Aruba"}',
    "key far beyond int64": b'{"ind": -99999999999999999999999999, "country": "Aruba"}',
    "key as text beyond int64": b'{"ind": "9223372036854775808", "country": "Aruba"}',
}
