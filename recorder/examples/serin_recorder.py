"""Records requests for Serin's agent from Python: what serin_recorder.h does, by ctypes and mmap.

    from serin_recorder import Recorder, Outcome
    recorder = Recorder("api", counters=["orders"])
    with recorder.request():            # OK, or SERVER_ERROR when an exception leaves it
        answer()
    recorder.record(Outcome.CLIENT_ERROR, seconds=0.012)
    recorder.count("orders")

Needs Python 3.8 and nothing else. Threads share one lock, since the interpreter has no atomic
addition; a child made by os.fork() gets a file of its own. What cannot be recorded (no folder, no
right to write there) is not, and `recorder.error` says why; it is tried again every 5 s. What the
comments of serin_recorder.h say of the file holds here too.
"""
import bisect
import contextlib
import ctypes
import enum
import fcntl
import math
import mmap
import os
import random
import re
import secrets
import sys
import threading
import time

FOLDER = "/run/serin/agent/recorder"
VERSION, HEADER_BYTES, SCALE = 1, 4096, 3
FIRST_BUCKET, LAST_BUCKET = -160, 136
COLUMNS = LAST_BUCKET - FIRST_BUCKET + 2  # the last one: nobody knows how long it took
OUTCOMES, MOST_NAMES, NAME_BYTES, MOST_FILES = 5, 16, 64, 256
RETRY_SECONDS = 5
NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}\Z")
# 2^(i/8) / 2: a bucket is open below, so a value on an edge belongs to the bucket that ends there.
EDGES = (0.5, 0.54525386633262882960, 0.59460355750136053336, 0.64841977732550483296,
         0.70710678118654752440, 0.77110541270397041180, 0.84089641525371454303, 0.91700404320467123174)


class Outcome(enum.IntEnum):
    OK = 0
    SERVER_ERROR = 1
    CLIENT_ERROR = 2
    ABORTED = 3
    LIMITED = 4


class Header(ctypes.Structure):
    """struct serin_recorder_header"""
    _fields_ = [
        ("magic", ctypes.c_char * 8), ("version", ctypes.c_uint32),
        ("header_bytes", ctypes.c_uint32), ("pid", ctypes.c_uint32), ("shards", ctypes.c_uint32),
        ("start_ticks", ctypes.c_uint64), ("shard_cells", ctypes.c_uint64),
        ("scale", ctypes.c_int32), ("first_bucket", ctypes.c_int32), ("columns", ctypes.c_uint32),
        ("outcomes", ctypes.c_uint32), ("classes", ctypes.c_uint32), ("counters", ctypes.c_uint32),
        ("boot_id", ctypes.c_char * 40), ("service", ctypes.c_char * NAME_BYTES),
        ("class_names", (ctypes.c_char * NAME_BYTES) * MOST_NAMES),
        ("counter_names", (ctypes.c_char * NAME_BYTES) * MOST_NAMES),
    ]


def column_of(seconds):
    """The column of a latency; None: the one for requests of unknown duration."""
    if seconds is None:
        return COLUMNS - 1
    if not seconds > 0:
        return 0
    if math.isinf(seconds):
        return LAST_BUCKET - FIRST_BUCKET
    mantissa, exponent = math.frexp(seconds)
    bucket = (exponent - 1) * 8 + bisect.bisect_left(EDGES, mantissa) - 1
    return min(max(bucket, FIRST_BUCKET), LAST_BUCKET) - FIRST_BUCKET


def start_ticks():
    with open("/proc/self/stat", "rb") as file:
        return int(file.read().rpartition(b")")[2].split()[19])


class Recorder:
    def __init__(self, service, classes=(), counters=(), folder=FOLDER):
        if not all(NAME.match(name) for name in [service, *classes, *counters]):
            raise ValueError("names are 1 to 63 of a-z 0-9 _ -, beginning with a letter or digit")
        if len(classes) > MOST_NAMES or len(counters) > MOST_NAMES:
            raise ValueError("at most %d classes and %d counters" % (MOST_NAMES, MOST_NAMES))
        self.error = None
        self._service, self._folder = service, folder
        self._classes, self._counters = list(classes), list(counters)
        self._requests = (len(self._classes) or 1) * OUTCOMES * COLUMNS
        self._shard_cells = (self._requests + len(self._counters) + 1 + 15) // 16 * 16
        self._forget()
        os.register_at_fork(after_in_child=self._forget)
        with self._lock:
            self._attach()

    def record(self, outcome=Outcome.OK, seconds=None, kind=None):
        """One request that ended now. kind: one of the classes."""
        place = self._classes.index(kind) if kind is not None else 0
        self._add((place * OUTCOMES + Outcome(outcome)) * COLUMNS + column_of(seconds), 1)

    def count(self, counter, amount=1):
        self._add(self._requests + self._counters.index(counter), amount)

    @contextlib.contextmanager
    def request(self, kind=None):
        began, outcome = time.perf_counter(), Outcome.SERVER_ERROR
        try:
            yield
            outcome = Outcome.OK
        finally:
            self.record(outcome, time.perf_counter() - began, kind)

    def _forget(self):
        """A child starts anew: neither its parent's lock nor its parent's file is its own."""
        self._lock, self._cells, self._retry_at = threading.Lock(), None, 0.0

    def _add(self, cell, amount):
        with self._lock:
            if self._cells is not None or self._attach():
                self._cells[cell] += amount  # one aligned store of 8 bytes: whole, or not there

    def _attach(self):
        if time.monotonic() < self._retry_at:
            return False
        try:
            self._cells, self.error = self._make_file(), None
        except OSError as error:
            self.error, self._retry_at = error, time.monotonic() + RETRY_SECONDS
        return self._cells is not None

    def _make_file(self):
        mine = self._service + "."
        if sum(name.startswith(mine) for name in os.listdir(self._folder)) >= MOST_FILES:
            raise OSError("%s: too many files of %s: does the agent run?" % (self._folder, mine))
        path = "%s/%s%d.%s" % (self._folder, mine, os.getpid(), secrets.token_hex(8))
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        file = os.open(path, flags, 0o600)  # stays open: the lock goes with it
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # whose it is, and that he lives
            os.fchmod(file, 0o644)
            size = HEADER_BYTES + self._shard_cells * 8
            os.posix_fallocate(file, 0, size)
            os.pwrite(file, bytes(self._header()).ljust(HEADER_BYTES, b"\0"), 0)
            memory = mmap.mmap(file, size)
            return (ctypes.c_uint64 * self._shard_cells).from_buffer(memory, HEADER_BYTES)
        except OSError:
            os.unlink(path)
            os.close(file)
            raise

    def _header(self):
        with open("/proc/sys/kernel/random/boot_id", "rb") as file:
            boot_id = file.read().strip()
        header = Header(
            magic=b"SERINREC", version=VERSION, header_bytes=HEADER_BYTES, pid=os.getpid(), shards=1,
            start_ticks=start_ticks(), shard_cells=self._shard_cells, scale=SCALE,
            first_bucket=FIRST_BUCKET, columns=COLUMNS, outcomes=OUTCOMES,
            classes=len(self._classes) or 1, counters=len(self._counters), boot_id=boot_id,
            service=self._service.encode())
        for i, name in enumerate(self._classes):
            header.class_names[i].value = name.encode()
        for i, name in enumerate(self._counters):
            header.counter_names[i].value = name.encode()
        return header


def load(folder, service, threads, each):
    """Records from threads and from a child, prints what, and serves on until its input ends."""
    recorder = Recorder(service, ["read", "write"], ["orders"], folder)
    outcomes, latencies, orders, guard = [0] * OUTCOMES, [], [0], threading.Lock()

    def requests(seed):
        draw = random.Random(seed)
        for i in range(each):
            outcome = Outcome(draw.randrange(OUTCOMES) if draw.random() < 0.2 else 0)
            yield i, outcome, 0.001 * math.exp(4 * draw.random() ** 2)

    def record(seed):
        for i, outcome, seconds in requests(seed):
            recorder.record(outcome, seconds, ["read", "write"][i % 2])
            if i % 50 == 0:
                recorder.count("orders", 2)

    def note(seed):
        for i, outcome, seconds in requests(seed):
            with guard:
                outcomes[outcome] += 1
                latencies.append(seconds)
                orders[0] += 2 if i % 50 == 0 else 0

    def work(seed):
        record(seed)
        note(seed)

    workers = [threading.Thread(target=work, args=(seed,)) for seed in range(1, threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    child = os.fork()
    if child == 0:
        record(threads)
        sys.stdin.read()
        os._exit(0)
    note(threads)  # the child's seed: what it records is known
    latencies.sort()
    quantiles = [latencies[int(q * (len(latencies) - 1))] for q in (0.5, 0.9, 0.99, 0.999)]
    print("recorded", *outcomes, orders[0], *(int(q * 1e9) for q in quantiles), flush=True)
    sys.stdin.read()
    os.waitpid(child, 0)


if __name__ == "__main__" and len(sys.argv) == 6 and sys.argv[1] == "--load":
    load(sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))
