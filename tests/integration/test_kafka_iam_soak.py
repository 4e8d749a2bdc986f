"""Turns minutes of traffic, logins that end and keys that change into counts: nothing lost, no login failed.

Never asks the client alone: the validator judges every token, the broker counts logins and living connections.
Rules: docs/kafka.md, "MSK with IAM login"; issue 6, "It must show".
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from kafka_iam_broker import REGION, ROLE, SECRET, IamBroker
from pinpipe import Credentials, kafka, native

FULL_S = 600
KEY_LIFE_S = 40  # a key is renewed at half its life
SESSION_S = 6  # kafka_iam_broker's connections.max.reauth.ms
PAUSE_S = 0.02
PLAIN = {"security.protocol": "sasl_plaintext"}


def rotating_key(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Makes the default profile's key the role's, another one at every renewal; the file has a line for each."""
    calls, script, config = folder / "calls", folder / "keys", folder / "config"
    script.write_text(
        "#!/bin/sh\n"
        f"end=$(($(date +%s) + {KEY_LIFE_S}))\n"
        f"echo $end >> {calls}\n"
        f"secret=$(printf %s '{SECRET}{ROLE}'$end | sha256sum | cut -d' ' -f1)\n"
        f'printf \'{{"Version":1,"AccessKeyId":"{ROLE}%s","SecretAccessKey":"%s","Expiration":"%s"}}\' $end $secret'
        " $(date -u -d @$end +%Y-%m-%dT%H:%M:%SZ)\n"
    )
    script.chmod(0o700)
    config.write_text(f"[default]\ncredential_process = {script}\n")
    for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(folder / "none"))
    return calls


def version() -> tuple[str, bool]:
    """The librdkafka that is loaded, and whether it logs in again on a living connection (2.2 and later)."""
    lines = native.pinpipe_library_versions().decode().splitlines()
    number = next(line.split()[1] for line in lines if line.startswith("librdkafka "))
    return number, tuple(int(part) for part in number.split(".")[:2]) >= (2, 2)


@pytest.mark.soak
def test_nothing_is_lost_while_logins_end_and_keys_change(
    iam_broker: IamBroker, soak_share: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error of any call is a failure, and so is one refused token."""
    topic, number, read = "iam.soak", 0, []
    calls = rotating_key(tmp_path, monkeypatch)
    login = {"settings": PLAIN, "iam": Credentials.default(), "region": REGION}
    with kafka.Admin(iam_broker.role, **login) as admin:
        admin.create_topic(topic, 3)
    with (
        kafka.Producer(iam_broker.role, **login) as producer,
        kafka.Consumer(iam_broker.role, "soak", topic, **login) as consumer,
    ):
        producer.write(topic, b"0")
        while not read:
            read += [int(message.value) for message in consumer.poll(1.0)]
        time.sleep(1.5)  # the broker tells its counts once a second
        begun, before = time.monotonic(), iam_broker.counts("IAMROLE")
        slowest_s = 0.0
        while time.monotonic() < begun + FULL_S * soak_share:
            number += 1
            at = time.monotonic()
            producer.write(topic, b"%d" % number)
            slowest_s = max(slowest_s, time.monotonic() - at)
            read += [int(message.value) for message in consumer.poll(PAUSE_S)]
        time.sleep(1.5)
        after = iam_broker.counts("IAMROLE")
        producer.flush()
        until = time.monotonic() + 30
        while len(read) <= number and time.monotonic() < until:
            read += [int(message.value) for message in consumer.poll(0.5)]
        assert (producer.delivered, producer.failed) == (number + 1, 0)
    assert sorted(read) == list(range(number + 1))
    refused = [line for line in iam_broker.judgements() if line.startswith("refused")]
    keys = len(calls.read_text().splitlines())
    name, again = version()
    anew, living = after.logins - before.logins, after.logins_again - before.logins_again
    print(
        f"librdkafka {name}: {FULL_S * soak_share:.0f} s, {number + 1} records, {keys} keys, {anew} connections anew, "
        f"{living} logins on living ones; slowest write {slowest_s * 1000:.0f} ms"
    )
    assert refused == []
    assert (after.failed, after.failed_again) == (before.failed, before.failed_again)
    assert keys >= FULL_S * soak_share / KEY_LIFE_S
    ended = int(FULL_S * soak_share / SESSION_S / 2)
    if again:
        assert anew == 0
        assert living >= ended
    else:
        assert anew >= ended
