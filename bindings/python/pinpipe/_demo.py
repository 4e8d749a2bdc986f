"""Turns draws from the source tables into answers, through every joint of both layers of the pipeline on one machine.

Never loses a record on the way: what went in, what was stored, read, cleaned and rejected adds up, or it fails.
Rules: CONTRACT §2 (`pinpipe demo`) and §6 (summary.json); DESIGN §1 (the way from emulator to answers).
"""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pinpipe import _emulator, _matches, _query, _report
from pinpipe._demo_gateway import STAGE, front_door
from pinpipe._expectations import BUILT_IN, Expectation, Expectations
from pinpipe._objects import Objects, open_objects
from pinpipe._outputs import replaced_file, write_output
from pinpipe._progress import Progress
from pinpipe._records import Reader
from pinpipe._row_sinks import RowSink, topics_of
from pinpipe._schema import KINDS
from pinpipe._sources import open_source
from pinpipe._versions import versions
from pinpipe._watch import watch
from pinpipe.errors import (
    ConflictError,
    DeadlineError,
    Error,
    InvalidArgumentError,
    NotSupportedError,
    ServiceError,
)

if TYPE_CHECKING:
    from pinpipe._demo_stream import StreamLayer
    from pinpipe._gateway import Gateway

#: Partitions of each embedded topic: more than one, so that a reader of one only would be noticed.
PARTITIONS = 3
FLUSH_RECORDS = 500
IDLE_MS = 1000
#: Draws that may be under way between emulator and store. The embedded Kafka keeps 5 MiB a partition; the largest
#: records are about 1 KiB, so this many fit even where all of them go to one partition.
WINDOW_DRAWS = 3000
#: How long the sink may store nothing while the emulator waits for it.
STALL_S = 60.0
DRAIN_S = 120.0


FLOW = ("emulated", "stored", "read", "cleaned", "duplicates", "rejected", "conflicts")


@dataclass
class Options:
    """What a demo is asked for; see `pinpipe demo --help`."""

    rows: int = 5000
    out: str = "demo-out"
    user_id: str = "demo"
    source: str | None = None
    brokers: str | None = None
    seed: int = 100


@dataclass
class Run:
    """What a demo did so far."""

    options: Options
    records: dict[str, dict[str, int]] = field(
        default_factory=lambda: {kind: dict.fromkeys(FLOW, 0) for kind in KINDS}
    )
    census: dict[str, dict[str, int]] = field(default_factory=dict)
    values: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    statistics: dict[str, Any] = field(default_factory=dict)
    expectations: list[Expectation] = field(default_factory=list)
    matches: list[dict[str, Any]] = field(default_factory=list)
    steps_s: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    draws: int = 0
    missing: int = 0
    missing_rows: dict[str, int] = field(default_factory=dict)
    source: str = ""
    sink: dict[str, int] = field(default_factory=dict)
    gateway: dict[str, int] = field(default_factory=dict)
    delivered: dict[str, int] = field(default_factory=dict)
    stream: dict[str, Any] = field(default_factory=dict)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Times one step."""
        started = time.monotonic()
        try:
            yield
        finally:
            self.steps_s[name] = self.steps_s.get(name, 0.0) + time.monotonic() - started


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


@contextmanager
def _services(run: Run, folder: Path) -> Iterator[tuple[Objects, StreamLayer | None]]:
    """The embedded S3 and Kinesis, which verify signatures.

    Where they cannot be had, objects lie in a folder and there is no stream path, and then it says so.
    """
    from pinpipe._demo_stream import StreamLayer
    from pinpipe._store import Store

    bucket = re.sub("[^a-z0-9-]", "-", f"user-{run.options.user_id.lower()}-bucket")[-63:].strip("-")
    store = Store(os.environ.get("PINPIPE_STORE_DIR", os.path.join("build", "ministack")))
    try:
        store.start()
    except (NotSupportedError, ServiceError) as error:
        run.notes.append(
            "objects lie in a folder and the stream path did not run, for the embedded S3 and Kinesis could not be"
            f" had: {error}"
        )
        _say(f"pinpipe demo: {run.notes[-1]}")
        shutil.rmtree(folder, ignore_errors=True)
        yield open_objects(f"file://{folder.absolute()}"), None
        return
    try:
        client = store.client()
        client.create_bucket(bucket)
        yield open_objects(f"s3://{bucket}", client), StreamLayer(store, run.options.user_id)
    finally:
        store.stop()


@contextmanager
def _kafka(run: Run) -> Iterator[str]:
    """Brokers with the three topics: the embedded cluster, or real ones where the topics must be new."""
    from pinpipe.kafka import Admin, MockCluster

    topics = topics_of(run.options.user_id).values()
    if run.options.brokers:
        with Admin(run.options.brokers) as admin:
            for topic in topics:
                try:
                    admin.create_topic(topic, PARTITIONS)
                except ConflictError:
                    raise ConflictError(
                        f"topic '{topic}' exists already: the demo counts what it sends; choose another --user-id"
                    ) from None
        yield run.options.brokers
        return
    with MockCluster() as cluster:
        for topic in topics:
            cluster.create_topic(topic, PARTITIONS)
        yield cluster.brokers


class _SinkThread:
    """Runs the object sink beside the emulator; publishes what is stored by topic."""

    def __init__(self, open_it: Callable[[], Any]) -> None:
        self._open = open_it
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="pinpipe-sink", daemon=True)
        self.stored: dict[str, int] = {}
        self.counters: dict[str, int] = {}
        self.error: Error | None = None

    def __enter__(self) -> _SinkThread:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stop.set()
        self._thread.join()

    def _work(self) -> None:
        try:
            with self._open() as sink:
                while not self._stop.is_set():
                    sink.poll(0.2)
                    self._publish(sink)
                self._publish(sink)
        except Error as error:
            self.error = error

    def _publish(self, sink: Any) -> None:
        stored: dict[str, int] = {}
        for (topic, _partition), offset in sink.stored_offsets.items():
            stored[topic] = stored.get(topic, 0) + max(offset, 0)
        self.stored = stored
        self.counters = dict(sink.counters)

    def wait(self, is_enough: Callable[[dict[str, int]], bool], stall_s: float) -> None:
        """Waits until enough is stored; raises the sink's error, or DeadlineError when nothing is stored any more."""
        seen, since = self.stored, time.monotonic()
        while not is_enough(self.stored):
            if self.error:
                raise self.error
            if self.stored != seen:
                seen, since = self.stored, time.monotonic()
            if time.monotonic() - since > stall_s:
                raise DeadlineError(f"the sink has stored nothing for {stall_s:.0f} s; stored so far: {seen}")
            time.sleep(0.005)


def _gateway(run: Run, stack: ExitStack, brokers: str, streams: StreamLayer | None) -> Gateway | None:
    """Rows go through it by HTTP, as in the pipelines that this one stands for; where there is none, straight on."""
    try:
        return stack.enter_context(front_door(brokers, streams.store if streams else None))
    except NotSupportedError as error:
        run.notes.append(f"rows went to Kafka and Kinesis without the gateway: {error}")
        _say(f"pinpipe demo: {run.notes[-1]}")
        return None


def _emulate_and_store(run: Run, objects: Objects, streams: StreamLayer | None) -> None:
    from pinpipe._sink import Sink

    options = run.options
    topics = topics_of(options.user_id)
    pattern = "|".join(re.escape(topic) for topic in topics.values())
    with _kafka(run) as brokers, ExitStack() as stack:
        sink = stack.enter_context(
            _SinkThread(
                lambda: Sink(
                    brokers,
                    pattern,
                    objects.url,
                    group=f"{options.user_id}-demo",
                    s3=objects.client,
                    flush_records=FLUSH_RECORDS,
                    idle_ms=IDLE_MS,
                )
            )
        )
        progress = stack.enter_context(Progress("emulating", total=options.rows))

        def hold(summary: _emulator.Summary) -> None:
            progress.add(1)
            if summary.draws % 64 == 0:
                low = {topics[kind]: sent - WINDOW_DRAWS for kind, sent in summary.emulated.items()}
                sink.wait(lambda stored: all(stored.get(t, 0) >= n for t, n in low.items()), STALL_S)

        gateway = _gateway(run, stack, brokers, streams)
        door = f"{gateway.address}/{STAGE}" if gateway else None
        targets: list[str | RowSink] = [f"kafka-rest+http://{door}" if door else f"kafka://{brokers}"]
        streamed = stack.enter_context(streams.sink(door)) if streams else None
        if streamed:
            targets.append(streamed)
        with run.step("emulate"), open_source(options.source) as source:
            summary = _emulator.emulate(
                source,
                targets,
                rows=options.rows,
                seed=options.seed,
                user_id=options.user_id,
                progress=hold,
            )
        with run.step("store"):
            sent = {topics[kind]: count for kind, count in summary.emulated.items()}
            sink.wait(lambda stored: all(stored.get(t, 0) >= n for t, n in sent.items()), DRAIN_S)
        run.delivered = streamed.delivered if streamed else {}
        run.gateway = gateway.counters if gateway else {}
    run.source = summary.source if options.source else "embedded synthetic rows"
    run.draws, run.missing, run.missing_rows = summary.draws, summary.missing_draws, dict(summary.missing)
    run.sink = sink.counters
    for kind in KINDS:
        run.records[kind]["emulated"] = summary.emulated[kind]
        run.records[kind]["stored"] = sink.stored.get(topics[kind], 0)


def _read_batches(reader: Reader, objects: Objects, prefix: str, rejects: Path) -> Iterator[Any]:
    for key in objects.keys(prefix):
        yield from reader.feed(objects.get(key))
        yield from reader.finish()
        text = reader.take_rejects_ndjson()
        if text:
            with rejects.open("ab") as file:
                file.write(text)
    yield from reader.rest()


def _clean(run: Run, objects: Objects, kind: str, out: Path, expect: Expectations) -> None:
    """Objects of one topic to the Delta table batch/<kind>; unreadable records to rejects/<kind>.ndjson."""
    rejects = out / "rejects" / f"{kind}.ndjson"
    rejects.unlink(missing_ok=True)
    reader = Reader(kind, "clean", "ndjson", "ind", keep_rejects=False)
    watch(reader, statistics=True, expect=expect)
    batches = _read_batches(reader, objects, f"topics/{run.options.user_id}.{kind}/", rejects)
    write_output(f"delta+file://{(out / 'batch' / kind).absolute()}", reader.schema, batches)
    flow = run.records[kind]
    flow["read"] = reader.num_records
    flow["rejected"] = reader.num_rejected
    flow["duplicates"] = reader.duplicates
    flow["conflicts"] = reader.conflicts
    flow["cleaned"] = reader.num_records - reader.num_rejected - reader.duplicates
    run.census[kind] = dict(reader.census())
    run.values[kind] = [asdict(value) for value in reader.dirty_values()]
    statistics = reader.watch.statistics() if reader.watch else None
    run.statistics[kind] = statistics.to_dict() if statistics else {}
    run.expectations += reader.watch.results() if reader.watch else []


def _consume(run: Run, streams: StreamLayer, out: Path) -> None:
    """The streams to the Delta tables stream/<id>_<kind>_table; what went through stands in the summary."""
    read = streams.consume(out)
    run.stream["records"] = {
        kind: {"emulated": run.records[kind]["emulated"], "stored": run.delivered[kind], **flow}
        for kind, flow in read.items()
    }


def flow_errors(records: dict[str, dict[str, int]]) -> list[str]:
    """Where the counts of a run do not add up; empty when they do."""
    errors = []
    for kind, flow in records.items():
        if not flow["emulated"] == flow["stored"] == flow["read"]:
            errors.append(
                f"{kind}: emulated {flow['emulated']}, stored {flow['stored']}, read {flow['read']}"
            )
        if flow["read"] != flow["cleaned"] + flow["duplicates"] + flow["rejected"]:
            errors.append(f"{kind}: read {flow['read']} is not cleaned + duplicates + rejected")
    return errors


def _summary(run: Run, started: float, cpu_before: float) -> dict[str, Any]:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "source": run.source,
        "user_id": run.options.user_id,
        "records": run.records,
        "draws": run.draws,
        "missing": run.missing,
        "missing_rows": run.missing_rows,
        "elapsed_s": round(time.monotonic() - started, 3),
        "cpu_s": round(usage.ru_utime + usage.ru_stime - cpu_before, 3),
        "rss_bytes": usage.ru_maxrss * 1024,
        "steps_s": {name: round(seconds, 3) for name, seconds in run.steps_s.items()},
        "gateway": run.gateway,
        "sink": run.sink,
        "stream": run.stream,
        "census": run.census,
        "values": run.values,
        "statistics": run.statistics,
        "expectations": [result.to_dict() for result in run.expectations],
        "matches": run.matches,
        "notes": run.notes,
        "versions": versions(),
    }


def _write_text(path: Path, text: str) -> None:
    with replaced_file(str(path)) as file:
        file.write(text.encode())


def demo(options: Options) -> dict[str, Any]:
    """Runs both layers on the same rows; returns what summary.json holds, and under "answers" the answers.

    Raises pinpipe.Error where a step fails or the counts do not add up; what was made until then stays in `out`.
    """
    started = time.monotonic()
    usage = resource.getrusage(resource.RUSAGE_SELF)
    topics_of(options.user_id)  # a bad user id is told before anything is started
    if options.rows < 0:
        raise InvalidArgumentError(f"rows={options.rows} is less than 0")
    out = Path(options.out)
    for folder in (out, out / "batch", out / "rejects"):
        folder.mkdir(parents=True, exist_ok=True)
    run = Run(options)
    with tempfile.TemporaryDirectory(prefix="pinpipe-demo-") as scratch, ExitStack() as stack:
        with run.step("start store"):
            objects, streams = stack.enter_context(_services(run, Path(scratch) / "objects"))
        _emulate_and_store(run, objects, streams)
        with run.step("clean"):
            expect = Expectations(BUILT_IN)
            for kind in KINDS:
                _clean(run, objects, kind, out, expect)
        if streams:
            with run.step("stream"):
                _consume(run, streams, out / "stream")
    tables = {kind: str(out / "batch" / kind) for kind in KINDS}
    if run.stream:
        from pinpipe._demo_stream import compare

        with run.step("compare"):
            streamed = {kind: str(out / "stream" / f"{options.user_id}_{kind}_table") for kind in KINDS}
            run.stream["tables"] = compare(tables, streamed)
    with run.step("match"):
        run.matches = _matches.match(tables).to_pylist()
        run.expectations += _matches.judge(run.matches, expect.matches)
    with run.step("answer"):
        answers = _query.query_all(tables)
    summary = _summary(run, started, usage.ru_utime + usage.ru_stime)
    with run.step("report"):
        _write_text(out / "report.html", _report.render_report(summary, answers, run.census))
    summary = _summary(run, started, usage.ru_utime + usage.ru_stime)
    _write_text(out / "summary.json", json.dumps(summary, indent=1, ensure_ascii=False) + "\n")
    errors = flow_errors(run.records)
    errors += [f"stream: {error}" for error in flow_errors(run.stream.get("records", {}))]
    if errors:
        raise Error("records were lost or doubled: " + "; ".join(errors))
    different = [  # which of two rows of a key stays is not determined: shards have no common order
        kind
        for kind, each in run.stream.get("tables", {}).items()
        if not each["identical"] and not run.records[kind]["conflicts"]
    ]
    if different:
        raise Error(f"the tables of the batch and the stream layer differ: {', '.join(different)}")
    return {**summary, "answers": answers}
