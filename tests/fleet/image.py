"""What every host of the fleet boots from: a bare Debian, the programs it needs, and Serin's packages, as overlay layers."""

import hashlib
import os
import pathlib
import re
import shutil
import subprocess

from stage.processes import DemoError

# What a web host, the aggregator's host and the shop's binary need, and what the packages depend on, so that
# installing them needs no network. faketime is for the host whose clock is wrong.
TOOLS = ("nginx-light", "nats-server", "procps", "iproute2", "faketime", "libmicrohttpd12", "libsqlite3-0", "libcurl4",
         "libfmt9", "libtomlplusplus3", "libnats3.4", "libprometheus-cpp-core1.0", "libuv1", "libzstd1",
         "ca-certificates")
STOPPED = ("nginx", "nats-server")  # started only where they are wanted
APT = "DEBIAN_FRONTEND=noninteractive apt-get -y -qq --no-install-recommends"


class Impossible(DemoError):
    """Hosts cannot be made or booted here: not a fault of what is tested."""


def run(argv, **options):
    done = subprocess.run([str(word) for word in argv], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          check=False, **options)
    if done.returncode != 0:
        raise DemoError(f"{' '.join(map(str, argv))} ended with status {done.returncode}:\n"
                        f"{(done.stderr or done.stdout)[-2000:]}")
    return done.stdout


def make_disk(folder, size):
    """A disk of its own for what a host writes: it can be full, and it outlives the host's power."""
    folder.mkdir(parents=True)
    run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=0755", "tmpfs", folder])


def mount_overlay(layers, upper, scratch, root):
    """`layers`, the topmost first, seen at `root`; what is written there goes to `upper`."""
    for folder in (upper, scratch, root):
        folder.mkdir(parents=True, exist_ok=True)
    lower = ":".join(str(layer) for layer in layers)
    run(["mount", "-t", "overlay", "overlay", "-o", f"lowerdir={lower},upperdir={upper},workdir={scratch}", root])


def _in_layer(layers, folder, script):
    """Runs a shell script as root of `layers`; what it changes becomes the layer `folder`/upper."""
    root = folder / "root"
    mount_overlay(layers, folder / "upper", folder / "scratch", root)
    try:
        shutil.copyfile("/etc/resolv.conf", root / "etc/resolv.conf")
        # Nothing starts in a folder that has not booted.
        policy = root / "usr/sbin/policy-rc.d"
        policy.write_text("#!/bin/sh\nexit 101\n", encoding="utf-8")
        policy.chmod(0o755)
        run(["chroot", root, "sh", "-ec", script])
        policy.unlink()
    finally:
        run(["umount", root])
    shutil.rmtree(folder / "scratch")
    return folder / "upper"


def _tools(cache, bare):
    """The layer with TOOLS: fetched once, kept beside the bare host."""
    key = hashlib.sha256(" ".join(TOOLS).encode()).hexdigest()[:12]
    kept = cache / f"fleet-{key}"
    if not kept.is_dir():
        fresh = cache / f"fleet-{key}.part"
        shutil.rmtree(fresh, ignore_errors=True)
        try:
            _in_layer([bare], fresh, f"apt-get update -qq; {APT} install {' '.join(TOOLS)}; "
                                     f"systemctl disable {' '.join(STOPPED)} 2>/dev/null; apt-get clean")
        except DemoError as problem:
            raise Impossible(f"what hosts need cannot be installed: {problem}") from None
        fresh.rename(kept)
    return kept / "upper"


def newer_deb(packages, name, folder):
    """The package `name` as its next version, put into `folder`; its file name."""
    (deb,) = packages.glob(f"{name}_*.deb")
    folder.mkdir(parents=True, exist_ok=True)
    tree = folder / f"{name}.tree"
    run(["dpkg-deb", "-R", deb, tree])
    control = tree / "DEBIAN" / "control"
    text = control.read_text(encoding="utf-8")
    control.write_text(re.sub(r"^(Version: .*)$", r"\1.1", text, flags=re.MULTILINE), encoding="utf-8")
    target = folder / f"{name}-next.deb"
    run(["dpkg-deb", "-Znone", "--root-owner-group", "-b", tree, target])
    shutil.rmtree(tree)
    return target.name


def make(bare, packages, work, say):
    """The layers of a host, the topmost first. `bare`: debootstrap's tree; `packages`: folder with the debs;
    `work`: where this run's layer is made."""
    debs = sorted(packages.glob("*.deb"))
    if len(debs) != 3:
        raise DemoError(f"not three debs in {packages}: {[deb.name for deb in debs]}")
    say("The image: a bare Debian 12, what hosts need, and Serin's packages by apt.")
    tools = _tools(pathlib.Path(bare).parent, bare)
    for deb in debs:
        target = work / "serin" / "upper" / "packages" / deb.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(deb, target)
    # One machine-id for all would be one D-Bus and one journal identity: each host makes its own at its first boot.
    serin = _in_layer([tools, bare], work / "serin",
                      f"{APT} install /packages/*.deb; useradd --system --home /srv/shop shop; "
                      "rm -f /var/lib/dbus/machine-id; : >/etc/machine-id; : >/etc/hostname; mkdir -p /srv/shop /srv/data")
    os.chmod(serin, 0o755)
    return [serin, tools, pathlib.Path(bare)]
