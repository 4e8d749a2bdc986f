"""Turns several consumers of one stream into a group that shares its shards by leases in a folder or a bucket.

Never reads a shard whose lease is another member's, and never commits what its caller has not taken.
Rules: docs/stream.md, "Groups".
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from pinpipe import native
from pinpipe._kinesis_consumer import Batch, Consumer, Position, Start, places_of
from pinpipe._waiting import Handle, milliseconds
from pinpipe.errors import ConflictError, Error, InvalidArgumentError

if TYPE_CHECKING:
    from types import TracebackType

    from pinpipe import s3

LEASE_TIMEOUT_S = 10.0
LOOK_INTERVAL_S = 5.0
STATES = {
    native.LEASE_NOBODYS: "nobody's",
    native.LEASE_OURS: "ours",
    native.LEASE_ASKED: "asked for",
    native.LEASE_OTHERS: "another's",
    native.LEASE_ENDED: "ended",
}


class Lease(NamedTuple):
    """A shard's lease. state: nobody's, ours, asked for (ours, and another member waits), another's, ended."""

    shard: str
    state: str
    owner: str
    position: Position | None


class Leases(Handle):
    """One member's leases, moved by its calls."""

    def __init__(
        self, url: str, client: s3.Client | None, lease_s: float, hand_over_s: float, timeout_s: float
    ) -> None:
        """url: file:///folder or s3://bucket/prefix; client: of S3, else one from the environment."""
        host = "".join(c if c.isalnum() and c.isascii() else "-" for c in os.uname().nodename)
        self.owner = f"{host[:40]}-{os.getpid()}-{os.urandom(8).hex()}"
        self._timeout_ms = milliseconds(timeout_s)
        super().__init__(
            native.leases_open(
                url,
                self.owner,
                client._handle if client else None,
                milliseconds(lease_s),
                milliseconds(hand_over_s),
            )
        )

    def put(self, shard: str, parent: str | None, adjacent: str | None) -> None:
        """Tells of a shard that the stream has."""
        with self._alone() as handle:
            native.pinpipe_leases_put(handle, shard, parent or "", adjacent or "")

    def poll(self) -> list[Lease]:
        """One round where it is due; what is known of each lease."""
        with self._alone() as handle:
            native.leases_poll(handle, self._timeout_ms)
        return self.known()

    def known(self) -> list[Lease]:
        """What is known of each lease now."""
        with self._alone() as handle:
            found = native.leases_items(handle)
        return [
            Lease(shard, STATES[state], owner, _position(sequence, sub))
            for shard, state, owner, sequence, sub in found
        ]

    def commit(self, shard: str, position: Position) -> None:
        """Keeps how far a shard was read. Raises ConflictError where its lease is another member's by now."""
        sequence, sub = position if isinstance(position, tuple) else (position, 0)
        with self._alone() as handle:
            native.pinpipe_leases_commit(handle, shard, sequence, sub, self._timeout_ms)

    def clear(self, shard: str) -> None:
        """Tells that the stream has a shard no longer: its lease goes once it has ended and its children are begun."""
        with self._alone() as handle:
            native.pinpipe_leases_clear(handle, shard, self._timeout_ms)

    def release(self, shard: str) -> None:
        """Gives a lease to who has asked for it, else to nobody."""
        with self._alone() as handle:
            native.pinpipe_leases_release(handle, shard, self._timeout_ms)


def _position(sequence: str, sub: int) -> Position | None:
    if not sequence:
        return None
    return (sequence, sub) if sequence.isdigit() else sequence


class GroupConsumer(Consumer):
    """A member of a group: reads the shards whose leases it holds, and goes on where the group has committed.

    Each record is handed out at least once; after a death those behind the last `commit` again. The leases move
    while a thread is in a call: one that is asked for is given away by the next `commit`, and a member that stays
    away from its calls for the time of a lease has lost its shards.
    """

    def __init__(
        self,
        stream: str,
        group: str,
        store: str,
        endpoint: str | None = None,
        *,
        s3: s3.Client | None = None,
        start: Start = "earliest",
        lease: float = 10.0,
        hand_over: float = 30.0,
        **options: Any,
    ) -> None:
        """Opens a member.

        store: file:///folder (of one host) or s3://bucket/prefix, below which the leases of the group lie; s3: its
        client, else one from the environment. start: "earliest", "latest" or a time, of shards without a committed
        place. lease: seconds after which a silent member's shards are others'. hand_over: how long one that is asked
        for a shard may go on with it. options: as `Consumer`.
        """
        if places_of(start) is not None:
            raise InvalidArgumentError("start: a group's members have one start for all shards")
        name = stream.rpartition("/")[2]
        for part in (group, name):
            if not part or "/" in part or part.startswith("."):
                raise InvalidArgumentError(
                    f"group '{group[:60]}' or stream '{name[:60]}' cannot name a folder"
                )
        self._leases = Leases(f"{store.rstrip('/')}/{group}/{name}", s3, lease, hand_over, LEASE_TIMEOUT_S)
        self._start = start
        self._taken: dict[str, Position] = {}  # what the caller got and has not committed
        self._reading: set[str] = set()
        self._known: set[str] = set()
        self._next_look = 0.0
        super().__init__(stream, endpoint, shards=[], **options)
        self.round()

    @property
    def leases(self) -> list[Lease]:
        """What is known of each shard's lease."""
        return self._leases.known()

    def round(self) -> None:
        """Moves the leases where it is due; every read does so."""
        shards = self.shards
        for shard in shards:
            if shard.id not in self._known:
                self._leases.put(shard.id, shard.parent, shard.adjacent_parent)
        self._known = {shard.id for shard in shards}
        try:
            for lease in self._leases.poll():
                if lease.state == "ended" and lease.shard not in self._known:
                    self._leases.clear(lease.shard)
        except Error as error:
            if not error.retryable:
                raise  # else what could not be renewed in time counts as lost
        leases = self._leases.known()
        unknown = any(each.shard not in self._known and each.state != "ended" for each in leases)
        if unknown and time.monotonic() >= self._next_look:
            self._next_look = time.monotonic() + LOOK_INTERVAL_S  # another member knows more of the stream
            self.look(LEASE_TIMEOUT_S)
        ours = {each.shard: each for each in leases if each.state == "ours"}
        asked = {each.shard for each in leases if each.state == "asked for"}
        for name in self._reading - ours.keys():
            self.release(name)
            if name in asked and name not in self._taken:
                self._leases.release(name)
            elif name not in asked:
                self._taken.pop(name, None)
        for name in asked - self._reading - self._taken.keys():
            self._leases.release(name)
        for name in ours.keys() - self._reading:
            self._taken.pop(name, None)
            self._begin_at(name, ours[name].position)
        self._reading = set(ours)

    def _begin_at(self, shard: str, position: Position | None) -> None:
        known = {each.id: each for each in self.shards}
        parents = {known[shard].parent, known[shard].adjacent_parent} if shard in known else set()
        is_child = not parents.isdisjoint(known)
        if position is not None:
            self.take(shard, position)
        elif is_child or self._start == "earliest":
            self.take(shard)
        elif self._start == "latest":
            self.take(shard, "LATEST")
        else:
            self.take(shard, {"iteratorType": "AT_TIMESTAMP", "iteratorPosition": self._start})

    def consume_batch(
        self,
        max_records: int = 10_000,
        timeout: float = 1.0,
        *,
        max_bytes: int = 8 << 20,
        extras: bool = False,
    ) -> Batch:
        """As `Consumer.consume_batch`, of the shards whose leases are ours."""
        self.round()
        batch = super().consume_batch(max_records, timeout, max_bytes=max_bytes, extras=extras)
        self._taken.update(batch.positions)
        return batch

    def commit(self) -> list[str]:
        """Keeps the places behind everything that was handed out; gives away what other members have asked for.

        Returns the shards whose leases were lost meanwhile: their records since the last commit come again, elsewhere.
        What the store could not do now is raised as a retryable error; the call may be repeated.
        """
        lost = []
        for shard, position in list(self._taken.items()):
            try:
                self._leases.commit(shard, position)
            except ConflictError:
                lost.append(shard)
            del self._taken[shard]
        self.round()
        return lost

    def close(self) -> None:
        """Gives the leases away, as far as the store can be reached, and closes."""
        try:
            if self._native is not None and os.getpid() == self._owner:
                for shard in self._reading:
                    self._leases.release(shard)
        except Error:
            pass  # they run out
        finally:
            self._leases.close()
            super().close()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes; commits nothing."""
        self.close()
