"""Speaks to NATS as plainly as it can be spoken to: enough to take a stream away."""

import json
import socket

WAIT_SECONDS = 5


def delete_stream(address, port, stream):
    """Deletes a JetStream stream; raises OSError when the broker does not say that it did."""
    with socket.create_connection((address, port), timeout=WAIT_SECONDS) as connection:
        lines = connection.makefile("rb")
        lines.readline()  # INFO
        connection.sendall(b'CONNECT {"verbose":false}\r\nSUB answer 1\r\n'
                           b"PUB $JS.API.STREAM.DELETE." + stream.encode() + b" answer 0\r\n\r\n")
        while True:
            line = lines.readline()
            if not line:
                raise OSError("the broker hung up")
            if line.startswith(b"PING"):
                connection.sendall(b"PONG\r\n")
            if line.startswith(b"MSG "):
                body = json.loads(lines.read(int(line.split()[-1])))
                if not body.get("success"):
                    raise OSError(f"{stream} was not deleted: {body}")
                return
