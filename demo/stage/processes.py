"""Starting, watching, killing and ending the programs of the demo."""

import ctypes
import os
import signal
import socket
import subprocess
import time

PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


class DemoError(Exception):
    """Something that ends the demo, in words for a person."""


def _follow_parent():
    # Should this program be killed with -9, nothing of the demo stays behind. Runs between fork and exec.
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def free_ports(count):
    """Ports below the range from which the kernel takes the client side of connections: a client that tries a
    port while its shop restarts could otherwise be given that very port, and keep the shop from coming back."""
    with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as ranges:
        lowest_ephemeral = int(ranges.read().split()[0])
    found, held = [], []
    start = 20000 + os.getpid() % 5000  # two demos at once look in different places
    try:
        for port in range(start, lowest_ephemeral):
            listener = socket.socket()
            try:
                listener.bind(("127.0.0.1", port))
            except OSError:
                listener.close()
                continue
            held.append(listener)
            found.append(port)
            if len(found) == count:
                return found
    finally:
        for listener in held:
            listener.close()
    raise DemoError(f"cannot find {count} free ports below {lowest_ephemeral}")


class Program:
    """One program: how it is started, and the process that runs it now."""

    def __init__(self, name, argv, log):
        self.name = name
        self.argv = [str(word) for word in argv]
        self.log = log
        self.process = None
        self.starts = 0
        self.restart_at = None  # set while the demo itself has killed it

    def start(self):
        with open(self.log, "ab") as out:
            self.process = subprocess.Popen(
                self.argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True,
                preexec_fn=_follow_parent, restore_signals=True)
        self.starts += 1
        self.restart_at = None

    def running(self):
        return self.process is not None and self.process.poll() is None

    def tail(self, lines=15):
        try:
            with open(self.log, "r", encoding="utf-8", errors="replace") as text:
                return "".join(text.readlines()[-lines:])
        except OSError:
            return ""


class Crew:
    """All programs of the demo, ended together in the reverse order of their starts."""

    def __init__(self):
        self.programs = {}

    def start(self, program):
        self.programs[program.name] = program
        program.start()
        return program

    def kill(self, name, restart_after):
        """kill -9, and a new start after some seconds."""
        program = self.programs[name]
        if program.running():
            os.kill(program.process.pid, signal.SIGKILL)
            program.process.wait()
        program.restart_at = time.monotonic() + restart_after

    def tend(self):
        """Starts again what was killed on purpose; anything else that has ended is an error."""
        for program in self.programs.values():
            if program.running():
                continue
            if program.restart_at is None:
                raise DemoError(f"{program.name} has ended by itself with status "
                                f"{program.process.returncode}; its last lines:\n{program.tail()}")
            if time.monotonic() >= program.restart_at:
                program.start()

    def stop(self, name, patience=10.0):
        """Ends one program for good, in peace; an error if it does not end well."""
        program = self.programs.pop(name)
        program.process.terminate()
        try:
            status = program.process.wait(patience)
        except subprocess.TimeoutExpired:
            program.process.kill()
            program.process.wait()
            raise DemoError(f"{name} did not end within {patience:.0f} s of SIGTERM") from None
        if status != 0:
            raise DemoError(f"{name} ended with status {status}:\n{program.tail()}")

    def end(self, patience=3.0):
        running = [p for p in reversed(self.programs.values()) if p.running()]
        for program in running:
            _signal_group(program, signal.SIGTERM)
        deadline = time.monotonic() + patience
        for program in running:
            try:
                program.process.wait(max(0.05, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                pass
        for program in running:
            _signal_group(program, signal.SIGKILL)
            program.process.wait()


def _signal_group(program, number):
    try:
        os.killpg(program.process.pid, number)
    except ProcessLookupError:
        pass
