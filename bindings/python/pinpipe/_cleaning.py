"""Turns files and objects of raw records into one clean table, a file of rejects and a census.

Never drops a readable record unless asked, never loses an unreadable one, never holds a whole file.
Rules: CONTRACT §2 (`pinpipe clean`) and §4.
"""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from pinpipe._inputs import is_objects
from pinpipe._outputs import replaced_file, write_output
from pinpipe._profiles import profile as read_profile
from pinpipe._progress import Progress, Silence
from pinpipe._records import Reader
from pinpipe._watch import watch

if TYPE_CHECKING:
    from pinpipe._expectations import Expectation


def default_rejects_path(output: str) -> str:
    """Where rejects lie when nothing is said: beside a local output, else in the working directory."""
    local = output.removeprefix("delta+file://")
    name = local.rstrip("/") if "://" not in local else local.rstrip("/").rsplit("/", 1)[-1]
    return f"{name}.rejects.ndjson"


class _RejectsFile:
    """A file that comes to be with the first reject; one of an earlier run goes."""

    def __init__(self, path: str) -> None:
        self.path = path
        if os.path.exists(path):
            os.unlink(path)

    def write(self, ndjson: bytes) -> None:
        if ndjson:
            with open(self.path, "ab") as file:
                file.write(ndjson)


class Cleaning:
    """One run from inputs to an output. What went in and came out is known once `run` has returned."""

    def __init__(
        self,
        kind: str,
        *,
        input_format: str = "auto",
        dedupe: str = "none",
        profile: str = "course",
        statistics: bool = False,
        expect: str | None = None,
    ) -> None:
        """Arguments as those of `pinpipe clean`; expect: None = what the profile's rule file expects."""
        chosen = read_profile(profile)
        self.expect = expect or chosen.expect
        self.reader = Reader(kind, "clean", input_format, dedupe, keep_rejects=False, profile=chosen)
        watch(self.reader, statistics=statistics, expect=self.expect)

    def run(self, inputs: Sequence[str], output: str, rejects: str, progress: Progress | None = None) -> None:
        """Reads all inputs (`-` = standard input) into the output; what cannot be read goes to the file `rejects`."""
        file = _RejectsFile(rejects)
        write_output(output, self.reader.schema, self._batches(inputs, file, progress or Silence()))

    def _batches(self, inputs: Sequence[str], rejects: _RejectsFile, progress: Progress) -> Iterator[Any]:
        reader = self.reader

        def fed(size: int) -> None:
            progress.add(size)
            rejects.write(reader.take_rejects_ndjson())

        for path in inputs:
            if is_objects(path):
                for batch in reader.read_objects(path, count=progress.objects):
                    rejects.write(reader.take_rejects_ndjson())
                    yield batch
            elif path != "-":
                yield from reader.read_path(path, fed)
            elif reader.is_arrow_file(sys.stdin.buffer):
                yield from reader.read_file(sys.stdin.buffer)
            else:
                for piece in progress.pieces(sys.stdin.buffer):
                    yield from reader.feed(piece)
                    rejects.write(reader.take_rejects_ndjson())
                yield from reader.finish()
            rejects.write(reader.take_rejects_ndjson())
        yield from reader.rest()

    @property
    def flow(self) -> dict[str, int]:
        """records = cleaned + duplicates + dropped + rejected; conflicts are duplicates of other content."""
        reader = self.reader
        return {
            "records": reader.num_records,
            "cleaned": reader.num_records - reader.num_rejected - reader.dropped - reader.duplicates,
            "duplicates": reader.duplicates,
            "conflicts": reader.conflicts,
            "dropped": reader.dropped,
            "rejected": reader.num_rejected,
        }

    @property
    def expectations(self) -> list[Expectation]:
        """The results of what was expected; empty where nothing was."""
        return self.reader.watch.results() if self.reader.watch and self.expect else []

    def write_census(self, path: str) -> None:
        """The rules' hits, the values they met, statistics where they were asked for, and expectations, as JSON."""
        reader = self.reader
        values = [dataclasses.asdict(value) for value in reader.dirty_values()]
        told: dict[str, Any] = {
            "kind": reader.schema.kind,
            **self.flow,
            "census": reader.census(),
            "values": values,
        }
        statistics = reader.watch.statistics() if reader.watch else None
        if statistics:
            told["statistics"] = statistics.to_dict()
        if reader.watch and self.expect:
            told["expectations"] = [each.to_dict() for each in self.expectations]
        with replaced_file(path) as file:
            file.write(json.dumps(told, indent=1, ensure_ascii=False).encode() + b"\n")
