"""What is counted, and by what: each function runs a gateway once and returns the figures of the whole run."""

import functools
import os
import re
import subprocess
import time

from client import close

# The functions of the allocator that hand out memory, each counted where it is entered from outside the allocator.
ALLOCATES = re.compile(r"^_?mi_(heap_|theap_)?(m|z|c|re|rez)alloc(n|_aligned|_small|_zero)*(_at)?$")


def instructions(world, scenario, count):
    """Instructions in user space, and allocations, by callgrind."""
    file = world.folder / "callgrind"
    with world.gateway(scenario.words, ["valgrind", "--tool=callgrind", f"--callgrind-out-file={file}"]) as running:
        close(scenario.run(running, count))
    return read_callgrind(file.read_text())


def read_callgrind(text):
    names, caller, callee = {}, "", ""
    counted = allocations = 0
    name_of = re.compile(r"\((\d+)\)(?: (.*))?")
    for line in text.splitlines():
        if line.startswith(("fn=", "cfn=")):
            number, name = name_of.match(line.split("=", 1)[1]).groups()
            name = names.setdefault(number, name)
            caller, callee = (name, callee) if line.startswith("fn=") else (caller, name)
        elif line.startswith("calls="):
            plain = callee.split("'")[0]
            if ALLOCATES.match(plain) and not caller.startswith(("mi_", "_mi_")):
                allocations += int(line[6:].split()[0])
        elif line.startswith(("summary:", "totals:")):
            counted = int(line.split()[1])
    return {"instructions": counted, "allocations": allocations}


def copied(world, scenario, count):
    """Bytes that memcpy and its relatives have copied, by DHAT."""
    tool = ["valgrind", "--tool=dhat", "--mode=copy", f"--dhat-out-file={world.folder / 'dhat'}"]
    with world.gateway(scenario.words, tool) as running:
        close(scenario.run(running, count))
    total = re.search(r"Total: +([\d,]+) bytes", (world.folder / "output").read_text())
    return {"bytes copied": int(total[1].replace(",", ""))}


@functools.cache
def can_attach():
    """Whether strace may attach to a process here, which some containers forbid."""
    with subprocess.Popen(["sleep", "60"]) as sleeping:
        tried = subprocess.Popen(["strace", "-o", os.devnull, "-p", str(sleeping.pid)], stderr=subprocess.PIPE, text=True)
        attached = "attached" in tried.stderr.readline()
        sleeping.kill()
        tried.wait()
    if not attached:
        print("system calls are not counted: strace may not attach to a process here")
    return attached


def system_calls(world, scenario, count):
    """System calls, by strace; nothing where it may not attach."""
    if not can_attach():
        return {}
    file = world.folder / "strace"
    tool = ["strace", "-f", "-c", "-U", "name,time,calls", "-o", str(file), "-p"]
    with world.gateway(scenario.words, attached=tool) as running:
        close(scenario.run(running, count))
    words = [line.split() for line in file.read_text().splitlines()]
    total = sum(int(line[2]) for line in words if len(line) == 3 and line[2].isdigit() and line[0] != "total")
    return {"system calls": total}


def memory(world, scenario, count):
    """Bytes of the gateway's own memory while what is idle is kept open, once they do not change any more."""
    with world.gateway(scenario.words) as running:
        kept = scenario.run(running, count)
        held = settled(running.process.pid)
        close(kept)
    return {"bytes held": held}


def settled(process):
    """What is idle lets go of memory after a second, and then stays as it is for some."""
    deadline = time.monotonic() + 60
    before, since = private(process), time.monotonic()
    while time.monotonic() < deadline:
        time.sleep(0.25)
        now = private(process)
        if now != before:
            before, since = now, time.monotonic()
        elif time.monotonic() - since > 3:
            return now
    raise RuntimeError("the memory of the gateway does not settle")


def private(process):
    with open(f"/proc/{process}/smaps_rollup", encoding="ascii") as rollup:
        anonymous = re.search(r"Anonymous: +(\d+) kB", rollup.read())
    return int(anonymous[1]) * 1024
