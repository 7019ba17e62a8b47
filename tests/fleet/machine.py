"""One real host: systemd as its first process, its own network, control groups and disk."""

import pathlib
import subprocess
import time

import network
from image import make_disk, mount_overlay
from stage.processes import DemoError, Program

BOOT_SECONDS = 60
RUN_SECONDS = 60
DISK_SIZE = "768m"
LOOK_SECONDS = 0.1  # between two looks at a condition


def group_roots():
    """Where control groups are made: the unified hierarchy's mount and, beside an old one, systemd's own."""
    roots = []
    for line in pathlib.Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines():
        _, where, kind, options, *_ = line.split()
        if kind == "cgroup2" or (kind == "cgroup" and "name=systemd" in options.split(",")):
            roots.append(pathlib.Path(where))
    if not roots:
        raise DemoError("no control groups are mounted here")
    return roots


class Machine:
    """`build` once; then `boot`, `power_off` and `boot` again with the same disk."""

    def __init__(self, name, address, folder, groups):
        self.name = name
        self.address = address
        self.folder = folder
        self.root = folder / "root"  # its disk, also while it is off
        self.console = folder / "console.log"
        # Without a group of its own all hosts would share one tree of units.
        self.groups = [group / name for group in groups]
        self.program = None
        self.binds = []  # (outside, inside), read only

    # Disk

    def build(self, layers):
        disk = self.folder / "disk"
        make_disk(disk, DISK_SIZE)
        mount_overlay(layers, disk / "upper", disk / "scratch", self.root)
        self.write("/etc/hostname", f"{self.name}\n")
        self.write("/etc/hosts", f"127.0.0.1 localhost {self.name}\n")
        self.netns = network.add_host(self.name, self.address)

    def path(self, inside):
        return self.root / inside.lstrip("/")

    def write(self, inside, text, mode=0o644):
        target = self.path(inside)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        target.chmod(mode)

    # Power

    def boot(self):
        for group in self.groups:
            group.mkdir(parents=True, exist_ok=True)
        join = "; ".join(f"echo 0 >{group}/cgroup.procs" for group in self.groups)
        binds = " ".join(f"--bind-ro={outside}:{inside}" for outside, inside in self.binds)
        nspawn = (f"exec systemd-nspawn --quiet --directory={self.root} --machine={self.name} --register=no --keep-unit "
                  f"--network-namespace-path={self.netns} {binds} --boot systemd.show_status=no")
        self.program = Program(f"host:{self.name}", [
            "env", "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1", "sh", "-ec", f"{join}; {nspawn}"], self.console)
        self.program.start()

    def booted(self):
        if not self.program.running():
            raise DemoError(f"{self.name} did not boot:\n{self.program.tail()}")
        return self.leader() is not None and self.try_run("systemctl", "is-system-running").stdout.strip() in (
            "running", "degraded")

    def wait_booted(self):
        self.wait(self.booted, BOOT_SECONDS, "has booted")

    def wait(self, condition, seconds, what):
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                raise DemoError(f"{self.name}: not within {seconds:.0f} s: {what}")
            time.sleep(LOOK_SECONDS)

    def leader(self):
        """The pid of its systemd as seen from here; None while there is none."""
        pid = self.program.process.pid
        try:
            children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
        except OSError:
            return None
        return children[0] if children else None

    def is_on(self):
        return self.program is not None and self.program.running()

    def power_off(self):
        """As when somebody pulls the plug: every process is gone at once, the disk stays."""
        if not self.is_on():
            return
        kill = self.groups[0] / "cgroup.kill"
        for group in self.groups:
            if (group / "cgroup.kill").exists():
                kill = group / "cgroup.kill"
        kill.write_text("1", encoding="ascii")
        self.program.process.wait(10)

    # Network

    def cut(self):
        network.cut(self.name)

    def mend(self):
        network.mend(self.name)

    # Inside

    def try_run(self, *argv, stdin=subprocess.DEVNULL, seconds=RUN_SECONDS):
        leader = self.leader()
        if leader is None:
            raise DemoError(f"{self.name} is off")
        return subprocess.run(["nsenter", "-t", leader, "-a", "--", *map(str, argv)], stdin=stdin, capture_output=True,
                              text=True, timeout=seconds, check=False)

    def run(self, *argv, **options):
        done = self.try_run(*argv, **options)
        if done.returncode != 0:
            raise DemoError(f"{self.name}: {' '.join(map(str, argv))} ended with status {done.returncode}:\n"
                            f"{done.stderr or done.stdout}")
        return done.stdout

    def shell(self, script, **options):
        return self.run("sh", "-ec", script, **options)

    def property(self, unit, name):
        return self.run("systemctl", "show", "-P", name, unit).strip()
