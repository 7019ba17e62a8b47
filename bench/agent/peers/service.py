"""The service that is watched: writes an access log at a steady rate and holds connections, coming and going ones.

    service.py serve LOG LINES_PER_SECOND CONNECTIONS     the service
    service.py peer CONNECTIONS                           the other ends: its customers and its database
"""

import selectors
import socket
import sys
import time

SERVICE_PORT, DATABASE_PORT = 8080, 5432
WRITES_PER_SECOND = 20
RETRY_SECONDS = 0.1


def listener(port):
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind(("127.0.0.1", port))
    made.listen(1024)
    return made


def connect(port):
    while True:
        made = socket.socket()
        try:
            made.connect(("127.0.0.1", port))
            return made
        except OSError:
            made.close()
            time.sleep(RETRY_SECONDS)  # the other side has not started yet


def accept(doors, wanted):
    return [doors.accept()[0] for _ in range(wanted)]


def line(number):
    status = 500 if number % 97 == 0 else 200
    stamp = time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime())
    return (f'127.0.0.{number % 250 + 1} - - [{stamp}] "GET /items/{number % 5000} HTTP/1.1" {status} {700 + number % 911}'
            f" 0.{number % 80 + 3:03}\n")


def serve(log, lines_per_second, connections):
    held = []
    if connections:
        doors = listener(SERVICE_PORT)
        held = [doors, *accept(doors, connections - connections // 2)]
        held += [connect(DATABASE_PORT) for _ in range(connections // 2)]
    number, due = 0, time.monotonic()
    with open(log, "a", encoding="ascii", buffering=1 << 16) as out:
        while held is not None:
            for _ in range(lines_per_second // WRITES_PER_SECOND):
                number += 1
                out.write(line(number))
            out.flush()
            due += 1 / WRITES_PER_SECOND
            time.sleep(max(0.0, due - time.monotonic()))


def peer(connections):
    database = listener(DATABASE_PORT)
    held = [connect(SERVICE_PORT) for _ in range(connections - connections // 2)]
    held += accept(database, connections // 2)
    selectors.DefaultSelector().select()  # for ever: only the other side's end ends this


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
    else:
        peer(int(sys.argv[2]))
