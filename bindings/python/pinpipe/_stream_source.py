"""Turns the shards that a process reads into clean batches with the places behind them: all shards, or a group's share.

Never begins a shard of a group before the table has said where it stands: a lease says who reads, not how far.
Rules: docs/stream.md, "Exactly once" and "Several processes".
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pinpipe import kinesis
from pinpipe._kinesis_consumer import Position, Start, Tip, places_of
from pinpipe._records import Table
from pinpipe.errors import Error

if TYPE_CHECKING:
    from pinpipe._delta import DeltaTarget
    from pinpipe._profiles import Profile

READ_BYTES = 64 << 20  # of a batch, and of the answers that wait


class Source:
    """A consumer of all shards: its clean batches, and how far they reach."""

    def __init__(self, consumer: kinesis.Consumer, kind: str, profile: str | Profile, start: Start) -> None:
        """The consumer is the caller's. kind: of the records; start: of shards that the table has no position of."""
        self._consumer = consumer
        self._kind = kind
        self._profile = profile
        self._start = start
        self._tip = Tip(consumer)
        self._began_at = datetime.now(UTC)
        self._has_rest = True

    def read(self, max_records: int, timeout: float) -> tuple[Table, dict[str, Position]]:
        """What has come, and where its shards go on.

        `has_ended` is about what was told before, which all is in it unless more than `max_records` had come.
        """
        self._tip.look()
        batch = self._consumer.consume_batch(max_records, timeout, max_bytes=READ_BYTES)
        table = batch.clean(self._kind, profile=self._profile)
        self._has_rest = table.num_records >= max_records
        return table, batch.positions

    def has_ended(self) -> bool:
        """Whether every shard has been read to where it ended when this began."""
        return not self._has_rest and self._tip.is_reached()

    @property
    def behind_s(self) -> float | None:
        """How old the oldest end of a shard is that was read; None where one was not read yet."""
        return self._tip.behind_s

    @property
    def positions(self) -> dict[str, Position]:
        """By shard, where more than its beginning or nothing is known."""
        found = self._consumer.positions
        return {
            shard: position for shard, position in found.items() if position not in ("TRIM_HORIZON", "LATEST")
        }

    @property
    def shards(self) -> list[str]:
        """Every shard that is read."""
        return [shard.id for shard in self._consumer.shards]

    def go_back(self, given_up: Collection[str], positions: Mapping[str, Position]) -> None:
        """Reads from where the table stands: shards whose records were given up, and those that others have moved."""
        states = {shard.id: shard for shard in self._consumer.shards}
        for name in states.keys() | given_up:
            moved = name in positions and (name not in states or states[name].position != positions[name])
            if name in given_up or moved:
                self._consumer.take(name, positions.get(name, self._begin_of(name, states)))

    def _begin_of(self, name: str, states: Mapping[str, kinesis.ShardState]) -> Any:
        parents = (states[name].parent, states[name].adjacent_parent) if name in states else ()
        if any(parent in states for parent in parents) or self._start == "earliest":
            return "TRIM_HORIZON"
        places = places_of(self._start)
        if places is not None:
            return places.get(name, "TRIM_HORIZON")
        # `latest` was when this began: what came since must not be passed over.
        moment = self._start if isinstance(self._start, datetime) else self._began_at
        return {"iteratorType": "AT_TIMESTAMP", "iteratorPosition": moment}

    def is_urgent(self, target: DeltaTarget) -> bool:
        """Whether somebody waits for a commit."""
        return False

    def settle(self, target: DeltaTarget) -> None:
        """Does what had to wait until nothing is read that is not committed."""


class TableMember(kinesis.GroupConsumer):
    """A member of a group whose places are in a table: its leases tell whose a shard is, its beginning and its end."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        """As `GroupConsumer`."""
        self.gained: set[str] = set()
        super().__init__(*arguments, **options)

    def _begin_at(self, shard: str, position: Position | None) -> None:
        self.gained.add(shard)

    @property
    def reading(self) -> set[str]:
        """The shards whose leases are ours and that nobody waits for."""
        return set(self._reading)

    @property
    def has_ends(self) -> bool:
        """Whether the group has not been told of an end."""
        return "SHARD_END" in self._taken.values()

    def put_end(self, shard: str) -> None:
        """Tells of a shard that the table has to its end."""
        self._taken[shard] = "SHARD_END"

    def settle(self) -> None:
        """Tells the group of shards that the table has begun or ended, and gives away what others have asked for.

        What the store cannot do now is left to the next call.
        """
        begun = {lease.shard for lease in self.leases if lease.position is not None}
        self._taken = {
            shard: place for shard, place in self._taken.items() if place == "SHARD_END" or shard not in begun
        }
        try:
            self.commit()
        except Error as error:
            if not error.retryable:
                raise

    def forget(self) -> None:
        """What was handed out is not in the table, and will be read again by whoever has the lease."""
        self._taken.clear()


class SharedSource(Source):
    """A group's member: the shards that it holds, each from where the table stands when it gets it."""

    def __init__(self, member: TableMember, kind: str, profile: str | Profile, start: Start) -> None:
        """As `Source`."""
        super().__init__(member, kind, profile, start)
        self._member = member
        self._has_begun = False

    @property
    def shards(self) -> list[str]:
        """The shards that are ours."""
        return sorted(self._member.reading)

    @property
    def positions(self) -> dict[str, Position]:
        """As `Source.positions`, of the shards that are ours: of another the table may know more."""
        ours = self._member.reading
        return {shard: position for shard, position in super().positions.items() if shard in ours}

    def has_ended(self) -> bool:
        """Whether the shards that are ours were read so far, and each of the others is another's or has ended."""
        free = any(lease.state == "nobody's" for lease in self._member.leases)
        return not self._member.gained and not free and super().has_ended()

    def is_urgent(self, target: DeltaTarget) -> bool:
        """Whether a shard is to be begun, has ended or is asked for, or the first place of one is not in the table.

        The last, lest who has it next begins a stream's `latest` later than this one did.
        """
        member = self._member
        asked = any(lease.state == "asked for" for lease in member.leases)
        waited_for = asked or member.has_ends or bool(member.gained)
        return waited_for or not self.positions.keys() <= target.positions.keys()

    def settle(self, target: DeltaTarget) -> None:
        """Hands over, and begins what has become ours."""
        self._member.settle()
        gained, self._member.gained = self._member.gained & self._member.reading, set()
        if gained:
            self.go_back(gained, target.load(self.shards))
            self._has_begun = True

    def _begin_of(self, name: str, states: Mapping[str, kinesis.ShardState]) -> Any:
        # The service's own `latest`, at first: its clock may be behind this machine's.
        is_latest = self._start == "latest" and not self._has_begun
        begin = super()._begin_of(name, states)
        return "LATEST" if is_latest and begin != "TRIM_HORIZON" else begin

    def go_back(self, given_up: Collection[str], positions: Mapping[str, Position]) -> None:
        """As `Source.go_back`, of the shards that are still ours."""
        self._member.forget()
        ours = self._member.reading
        super().go_back(
            ours.intersection(given_up), {name: positions[name] for name in ours & positions.keys()}
        )
        for name in ours:
            if positions.get(name) == "SHARD_END":
                self._member.put_end(name)
