"""The benchmark's section on signing: C and Python beside the one-shot signer and botocore, in one go.

Never compares unlike work: all sign the same request, and the signatures are compared first.
Rules: DESIGN §5 ("Speed"); reference/signing.md §6; one Kinesis PutRecord, 1,000 bytes, a token of 600.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import figures
from sections import Bench

HERE = Path(__file__).resolve().parent
FOLDER = figures.PEERS / "botocore"
CASE = {
    "url": "https://kinesis.eu-west-1.amazonaws.com/",
    "headers": {"X-Amz-Target": "Kinesis_20131202.PutRecord", "Content-Type": "application/x-amz-json-1.1"},
    "body_bytes": 1000,
    "service": "kinesis",
    "region": "eu-west-1",
    "key": "AKIDEXAMPLE",
    "secret": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
    "token": "t" * 600,
}


def botocore_python() -> Path:
    """The interpreter of botocore's environment, made once."""
    return Path(figures.environment(FOLDER, "botocore-requirements.txt"))


def _commands(bench: Bench) -> dict[str, list[str]]:
    case = json.dumps(CASE)
    return {
        "C": [bench.program("sign")],
        "Python": [sys.executable, str(HERE / "peer_sign.py"), case],
        "botocore": [str(botocore_python()), str(HERE / "peer_botocore.py"), case],
    }


def _same_signature(peer: dict[str, Any]) -> None:
    at = datetime.strptime(peer["date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
    case = json.dumps(CASE | {"at": at, "number": peer["number"]})
    ours = figures.run([sys.executable, str(HERE / "peer_sign.py"), case])
    if ours["authorization"] != peer["authorization"]:
        raise SystemExit(f"bench: botocore signs {peer['authorization']}, pinpipe {ours['authorization']}")


def section(bench: Bench) -> dict[str, Any]:
    """ns a signature, ratios, allocations, two threads."""
    runs = figures.interleaved(_commands(bench), bench.runs)
    _same_signature(runs["botocore"][0])
    found: dict[str, Any] = {"botocore": runs["botocore"][0]["version"]}
    peer, python = figures.median(runs["botocore"], "ns"), figures.median(runs["Python"], "ns")
    print(f"\nsigning a PutRecord of 1,000 bytes: ns of CPU, medians; botocore {found['botocore']} add_auth")
    for form in ("with_token", "without_token"):
        ways = {
            way: figures.median([run[form][way] for run in runs["C"]], "ns") for way in runs["C"][0][form]
        }
        found[form] = {
            way: {
                "ns": ns,
                "ratio": ns / ways["one-shot"],
                "allocations": max(run[form][way]["allocations"] for run in runs["C"]),
            }
            for way, ns in ways.items()
        }
        print(f"  {form.replace('_', ' ')}")
        for way, line in found[form].items():
            print(
                f"    C, {way:9} {line['ns']:8.0f} {line['ratio']:7.3f} x one-shot"
                f" {line['allocations']:6.1f} allocations"
            )
    ours = found["with_token"]
    found["python_ns"], found["botocore_ns"] = python, peer
    print(f"    Python      {python:8.0f}")
    print(f"    botocore    {peer:8.0f}")
    print(
        f"  botocore by C generic {peer / ours['generic']['ns']:.1f}, by C template"
        f" {peer / ours['template']['ns']:.1f}, by Python {peer / python:.1f}"
    )
    for clock in ("wall", "cpu"):
        found[f"two_threads_{clock}"] = figures.median(runs["C"], f"two_threads_{clock}")
    print(
        f"  two threads by one: {found['two_threads_wall']:.2f} on the wall clock (other load counts),"
        f" {found['two_threads_cpu']:.2f} by CPU a signature"
    )
    return found
