#!/usr/bin/python3
"""Traffic whose true counts are known.

traffic.py upstream PORT               answers /MS/STATUS/SIZE after MS ms with STATUS and SIZE bytes
traffic.py load PORT COUNT PARALLEL    asks for a fixed mixture; last line of output: what came, as JSON
traffic.py statsd PORT COUNT           reports the same mixture by statsd
traffic.py prometheus PORT COUNT       serves a page that tells of it, until standard input ends
"""
import asyncio
import json
import random
import sys
import time


def mixture(count):
    random.seed(7)
    for _ in range(count):
        status = random.choices([200, 200, 204, 404, 429, 500, 503], [80, 5, 3, 5, 2, 3, 2])[0]
        size = 0 if status == 204 or (status == 200 and random.random() < 0.05) else random.randint(1, 5000)
        yield random.choice([40, 60, 90, 130, 200]), status, size


class Truth:
    def __init__(self):
        self.out = {"requests": 0, "errors": 0, "client": 0, "limited": 0, "empty": 0, "seconds": []}

    def add(self, status, size, seconds):
        self.out["requests"] += 1
        self.out["errors"] += status >= 500
        self.out["client"] += status == 404
        self.out["limited"] += status == 429
        self.out["empty"] += status == 200 and size == 0
        self.out["seconds"].append(seconds)

    def tell(self):
        self.out["seconds"].sort()
        print(json.dumps(self.out), flush=True)


async def upstream(port):
    async def answer(reader, writer):
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            ms, status, size = head.split(" ")[1].strip("/").split("/")
            await asyncio.sleep(int(ms) / 1000)
            writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: {size}\r\nConnection: close\r\n\r\n".encode())
            writer.write(b"x" * int(size))
            await writer.drain()
        finally:
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", port, backlog=512)
    print("ready", flush=True)
    await server.serve_forever()


async def load(port, count, parallel):
    truth, work = Truth(), iter(mixture(count))

    async def one():
        for ms, status, size in work:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            begin = time.monotonic()
            writer.write(f"GET /{ms}/{status}/{size} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
            answer = await reader.read(-1)
            writer.close()
            got = int(answer[9:12])
            if got != status:
                sys.exit(f"asked for {status}, got {answer[:200]}")
            truth.add(status, len(answer.split(b"\r\n\r\n", 1)[1]), time.monotonic() - begin)

    await asyncio.gather(*(one() for _ in range(parallel)))
    truth.tell()


def statsd(port, count):
    import statsd as library

    truth = Truth()
    client = library.StatsClient("127.0.0.1", port, prefix="web")
    for number, (ms, status, size) in enumerate(mixture(count)):
        client.incr("requests")
        if status >= 500:
            client.incr("errors")
        client.timing("time", ms)
        truth.add(status, size, ms / 1000)
        if number % 50 == 0:
            time.sleep(0.01)
    truth.tell()


def prometheus(port, count):
    import prometheus_client as library

    truth = Truth()
    requests = library.Counter("http_requests", "All of them", ["code"])
    seconds = library.Histogram("http_seconds", "How long", buckets=[0.05, 0.1, 0.15, 0.25])
    requests.labels("200").inc(0)
    library.start_http_server(port, addr="127.0.0.1")
    print("ready", flush=True)
    sys.stdin.readline()  # it has been scraped once
    for number, (ms, status, size) in enumerate(mixture(count)):
        requests.labels(str(status)).inc()
        seconds.observe(ms / 1000)
        truth.add(status, size, ms / 1000)
        if number % 50 == 0:
            time.sleep(0.01)
    truth.tell()
    sys.stdin.readline()


if __name__ == "__main__":
    numbers = [int(word) for word in sys.argv[2:]]
    if sys.argv[1] == "upstream":
        asyncio.run(upstream(*numbers))
    elif sys.argv[1] == "load":
        asyncio.run(load(*numbers))
    else:
        {"statsd": statsd, "prometheus": prometheus}[sys.argv[1]](*numbers)
