"""A nats-server with the streams that an aggregator makes, spoken to as plainly as it can be spoken to: an aggregator on the
same host would share its libraries with the agent and make it look smaller than it is."""

import json
import socket

PORT = 4222
WAIT_SECONDS = 5
MIB = 1 << 20
INPUT = "SERIN_INPUT"
STREAMS = [
    {"name": INPUT, "subjects": ["serin.sample.>", "serin.event.>", "serin.control.>"], "max_bytes": 256 * MIB,
     "max_msg_size": 65536, "max_msgs_per_subject": -1},
    {"name": "SERIN_COMMANDS", "subjects": ["serin.command.>"], "max_bytes": 64 * MIB, "max_msgs_per_subject": 1},
    {"name": "SERIN_ATTENTION", "subjects": ["serin.attention.>"], "max_bytes": 16 * MIB, "max_msgs_per_subject": 1},
]


def configuration(store):
    return f'host: 127.0.0.1\nport: {PORT}\njetstream {{ store_dir: "{store}", max_file_store: 1GB }}\n'


def _ask(subject, body):
    """One question on a connection of its own, so that nobody has to answer the server's pings."""
    with socket.create_connection(("127.0.0.1", PORT), timeout=WAIT_SECONDS) as connection:
        lines = connection.makefile("rb")
        lines.readline()  # INFO
        connection.sendall(b'CONNECT {"verbose":false}\r\nSUB answer 1\r\n'
                           + f"PUB {subject} answer {len(body)}\r\n".encode() + body + b"\r\n")
        while line := lines.readline():
            if line.startswith(b"PING"):
                connection.sendall(b"PONG\r\n")
            if line.startswith(b"MSG "):
                answer = json.loads(lines.read(int(line.split()[-1])))
                if "error" in answer:
                    raise OSError(f"{subject}: {answer['error']}")
                return answer
        raise OSError(f"{subject}: the broker hung up")


def make_streams():
    for stream in STREAMS:
        settings = {"retention": "limits", "storage": "file", "discard": "old", "num_replicas": 1, "allow_direct": True,
                    "max_consumers": -1, "max_msgs": -1, "max_age": 0, "max_msg_size": 16384} | stream
        _ask(f"$JS.API.STREAM.CREATE.{stream['name']}", json.dumps(settings).encode())


def call_attention(service):
    """One second, as while a deploy is watched. Kept by the stream: it counts from the agent's first connect on."""
    _ask(f"serin.attention.{service}", b"interval_ms=1000 lasting_seconds=900")


def stored_samples(service):
    """How many samples of the service the stream holds."""
    answer = _ask(f"$JS.API.STREAM.INFO.{INPUT}", json.dumps({"subjects_filter": f"serin.sample.{service}.*"}).encode())
    return sum((answer["state"].get("subjects") or {}).values())
