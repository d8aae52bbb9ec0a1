"""In a machine with several NUMA nodes, as root: where the pages of tierd's pools really are. Prints a line for each step, and
ends with the first that is wrong.

    python3 steps.py NODES CPULESS [STEP...]     with tierd, worker.py in the same directory; the last CPULESS nodes have no CPU
"""

import ctypes
import http.client
import json
import mmap
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

LIBC = ctypes.CDLL(None, use_errno=True)
PAGE = 4096
MIB = 1 << 20
SYS_MBIND, SYS_MOVE_PAGES = 237, 279
STAGING = 8
HERE = os.path.dirname(os.path.abspath(__file__))
RUNTIME, STATE = "/run/numa-test", "/var/tmp/numa-test"
SIZES = re.compile(r"^([0-9a-f]+)-([0-9a-f]+) .*/memfd:tierd-(host|staging)-(\d+)")


def fail(why):
    print(f"FAILED: {why}")
    if os.path.exists(f"{RUNTIME}.log"):
        print(open(f"{RUNTIME}.log").read()[-3000:])
    sys.exit(1)


def check(condition, why):
    if not condition:
        fail(why)


def passed(step, text):
    print(f"ok  {step:<10} {text}", flush=True)


class Daemon:
    def __init__(self, *flags, user=None, shell=None):
        shutil.rmtree(RUNTIME, ignore_errors=True)
        shutil.rmtree(STATE, ignore_errors=True)
        command = [f"{HERE}/tierd", "--runtime-dir", RUNTIME, "--state-dir", STATE, "--disk-budget", "0", *flags]
        if user:
            for path in (RUNTIME, STATE):
                os.makedirs(path)
                os.chown(path, user, user)
            command = ["setpriv", "--reuid", str(user), "--regid", str(user), "--clear-groups", "--bounding-set=-all", *command]
        if shell:
            command = ["sh", "-c", shell + ' exec "$@"', "sh", *command]
        self.log = f"{RUNTIME}.log"
        self.process = subprocess.Popen(command, stdout=open(self.log, "w"), stderr=subprocess.STDOUT)

    def wait_until_ready(self):
        for _ in range(600):
            if self.process.poll() is not None:
                fail(f"tierd ended with {self.process.returncode}")
            try:
                return self.status()
            except OSError:
                time.sleep(0.1)
        fail("tierd is not ready after 60 s")

    def status(self):
        connection = http.client.HTTPConnection("tierd", timeout=20)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(f"{RUNTIME}/control.sock")
        connection.request("GET", "/v1/status")
        return json.loads(connection.getresponse().read())

    def pools(self):
        return {pool["node"]: pool for pool in self.status()["pools"]}

    def set_nodes(self, budgets):
        connection = http.client.HTTPConnection("tierd", timeout=20)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(f"{RUNTIME}/control.sock")
        nodes = [{"node": node, "budget_bytes": size} for node, size in budgets.items()]
        body = json.dumps({"host_nodes": nodes})
        connection.request("POST", "/v1/set", body, {"Content-Type": "application/json"})
        reply = connection.getresponse()
        return reply.status, reply.read()

    def ends_with(self):
        code = self.process.wait(30)
        return code, open(self.log).read().strip()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        check(self.process.wait(60) == 0, f"tierd ended with {self.process.returncode}")

    def pages(self):
        """{arena: {node: pages}} of what is in memory, as the kernel says (move_pages), of blocks and of staging."""
        pid, arenas = self.process.pid, {}
        for line in open(f"/proc/{pid}/maps"):
            found = SIZES.match(line)
            if not found or line.split()[5].endswith(("-generations", "-records")):
                continue
            start, end = int(found[1], 16), int(found[2], 16)
            counts = arenas.setdefault((found[3], int(found[4])), {})
            for node in nodes_of(pid, start, (end - start) // PAGE):
                if node >= 0:
                    counts[node] = counts.get(node, 0) + 1
        return arenas

    def check_pages(self):
        """Each arena of blocks on one node, no node beyond its budget. Answers bytes by node."""
        sums, pools = {}, self.pools()
        for (kind, arena), counts in self.pages().items():
            if kind == "host":
                check(len(counts) <= 1, f"the pages of arena {arena} are on several nodes: {counts}")
            for node, pages in counts.items():
                sums[node] = sums.get(node, 0) + pages * PAGE
        for node, size in sums.items():
            check(node in pools, f"{size} bytes are on node {node}, which has no pool")
            budget = pools[node]["budget_bytes"]
            check(size <= budget, f"{size} bytes are on node {node}, whose budget is {budget}")
        return sums


def nodes_of(pid, start, count):
    for done in range(0, count, 16384):
        batch = min(16384, count - done)
        pages = (ctypes.c_void_p * batch)(*(start + (done + i) * PAGE for i in range(batch)))
        status = (ctypes.c_int * batch)()
        if LIBC.syscall(SYS_MOVE_PAGES, pid, ctypes.c_ulong(batch), pages, None, status, 0) < 0:
            fail(f"move_pages: {os.strerror(ctypes.get_errno())}")
        yield from status


def numbers(path):
    result = []
    for part in open(path).read().strip().split(","):
        if part:
            first, _, last = part.partition("-")
            result += range(int(first), int(last or first) + 1)
    return result


def cpu_of(node):
    return numbers(f"/sys/devices/system/node/node{node}/cpulist")[0]


def free(node):
    for line in open(f"/sys/devices/system/node/node{node}/meminfo"):
        if "MemFree:" in line:
            return int(line.split()[3]) << 10


def store(node, first, blocks):
    """A worker near the node stores blocks of 1 MiB and reads them back; answers how many were taken."""
    command = ["python3", f"{HERE}/worker.py", f"{RUNTIME}/worker.sock", "--cpu", str(cpu_of(node))]
    done = subprocess.run(
        [*command, "--first", str(first), "--blocks", str(blocks)], capture_output=True, text=True, timeout=240
    )
    if done.returncode:
        fail(f"worker: {done.stderr or done.stdout}")
    taken, found = map(int, done.stdout.split())
    check(taken == found == blocks, f"of {blocks} blocks {taken} were taken and {found} found again")


def hog(node, leave):
    """Takes the node's memory until only so much is free; gone when it is closed."""
    # Pages of files could be had, and are not what is to be short.
    os.sync()
    with open("/proc/sys/vm/drop_caches", "w") as caches:
        caches.write("3")
    size = free(node) - leave
    memory = mmap.mmap(-1, size)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    mask = ctypes.c_ulong(1 << node)
    if LIBC.syscall(SYS_MBIND, ctypes.c_void_p(address), ctypes.c_ulong(size), 2, ctypes.byref(mask), ctypes.c_ulong(64), 0):
        fail(f"mbind: {os.strerror(ctypes.get_errno())}")
    if LIBC.madvise(ctypes.c_void_p(address), ctypes.c_ulong(size), 23):  # MADV_POPULATE_WRITE
        fail(f"node {node} gives no {size} bytes: {os.strerror(ctypes.get_errno())}")
    return memory


def until(condition, why):
    for _ in range(200):
        if condition():
            return
        time.sleep(0.05)
    fail(why)


def text(sums):
    return ", ".join(f"node {node}: {size / MIB:.0f} MiB" for node, size in sorted(sums.items()))


def distances(node):
    row = list(map(int, open(f"/sys/devices/system/node/node{node}/distance").read().split()))
    return sorted((distance, other) for other, distance in enumerate(row))


def check_placement(nodes, with_cpus):
    budget = 40
    daemon = Daemon("--host-budget", ",".join(f"node{node}={budget}MiB" for node in range(nodes)))
    pools = daemon.wait_until_ready()["pools"]
    check([pool["node"] for pool in pools] == list(range(nodes)), f"pools {pools}")
    near = with_cpus - 1
    store(near, 0, 24)
    sums = daemon.check_pages()
    check(set(sums) == {near} and sums[near] >= 24 * MIB, f"24 blocks of a worker on node {near}: {text(sums)}")
    pool = daemon.pools()[near]
    check(pool["pinned_bytes"] == pool["committed_bytes"] > 0 and pool["pageable_bytes"] == 0, f"pool {pool}")
    check([page["page_bytes"] for page in pool["pages"]] == [PAGE], f"pool {pool}")
    passed("nearest", f"a worker on node {near} stored 24 MiB: {text(sums)}, all of it pinned")

    store(near, 100, 30)
    sums = daemon.check_pages()
    (_, _), (_, second) = distances(near)[:2]
    others = {node for node in range(nodes) if node not in (near, second)}
    # While it stored, the worker's staging had its part of the node.
    check(sums[near] >= (budget - STAGING) * MIB, f"node {near} is not full: {text(sums)}")
    check(sums.get(second, 0) >= 14 * MIB, f"node {second} is the nearest other: {text(sums)}")
    check(all(sums.get(node, 0) == 0 for node in others), f"farther nodes have been used: {text(sums)}")
    passed("overflow", f"54 MiB with {budget} on each node: {text(sums)}; {second} is the nearest to {near}")
    store(0, 1000, budget * (nodes - 1) - 25 if nodes > 2 else 20)
    sums = daemon.check_pages()
    passed("full", f"and more, to the last node: {text(sums)}")

    status, reply = daemon.set_nodes({near: 16 * MIB})
    check(status == 200, f"set: {status} {reply}")
    until(lambda: daemon.pools()[near]["committed_bytes"] <= 16 * MIB, f"node {near} does not shrink: {daemon.pools()[near]}")
    until(lambda: daemon.check_pages().get(near, 0) <= 16 * MIB, "its pages stay")
    passed("shrink", f"node {near} set to 16 MiB: {text(daemon.check_pages())}")
    daemon.stop()


def check_short(near, other):
    daemon = Daemon("--host-budget", f"node{near}=64MiB,node{other}=64MiB")
    daemon.wait_until_ready()
    store(near, 0, 8)
    before = daemon.check_pages()
    check(set(before) == {near}, f"8 blocks of a worker on node {near}: {text(before)}")
    taken = hog(near, 24 * MIB)
    until(lambda: daemon.pools()[near]["short"], f"node {near} is short and nobody sees it: {daemon.pools()[near]}")
    store(near, 100, 24)
    sums = daemon.check_pages()
    check(sums[near] <= before[near] and sums.get(other, 0) >= 24 * MIB, f"node {near} is short: {text(sums)}")
    taken.close()
    until(lambda: not daemon.pools()[near]["short"], f"node {near} has memory again and nobody sees it")
    store(near, 200, 16)
    after = daemon.check_pages()
    check(after[near] > sums[near], f"node {near} has memory again: {text(after)}")
    log = open(daemon.log).read()
    check(f"NUMA node {near} is short of memory" in log and f"NUMA node {near} has memory again" in log, "the log says it")
    passed("short", f"node {near} short: {text(sums)}; afterwards {text(after)}")
    daemon.stop()


def check_defaults(nodes, cpuless):
    daemon = Daemon("--host-budget", "96MiB")
    pools = {pool["node"]: pool["budget_bytes"] for pool in daemon.wait_until_ready()["pools"]}
    check(set(pools) == set(range(nodes - cpuless)), f"a budget is shared out over the nodes with processors: {pools}")
    check(sum(pools.values()) == 96 * MIB, f"not rounded: {pools}")
    near = nodes - cpuless - 1
    store(near, 0, 60)
    sums = daemon.check_pages()
    check(all(sums.get(node, 0) == 0 for node in range(nodes - cpuless, nodes)), f"a node without CPU: {text(sums)}")
    passed("default", f"96 MiB, 60 stored: {text(sums)}" + (", nothing on nodes without CPU" if cpuless else ""))
    # Threads that copy are on the node they copy from.
    threads = {}
    for thread in os.listdir(f"/proc/{daemon.process.pid}/task"):
        name = open(f"/proc/{daemon.process.pid}/task/{thread}/comm").read().strip()
        if name.startswith("births-n"):
            threads[int(name.removeprefix("births-n").split("-")[0])] = os.sched_getaffinity(int(thread))
    for node in pools:
        cpus = set(numbers(f"/sys/devices/system/node/node{node}/cpulist"))
        check(threads.get(node) == cpus, f"the threads that copy from node {node} run on {threads.get(node)}")
    passed("threads", f"births of each node run on its processors: {threads}")
    daemon.stop()


def refused(flags, words, **how):
    code, said = Daemon(*flags, **how).ends_with()
    check(code == 78 and words in said and len(said.splitlines()[-1]) == len(said[said.rfind("tierd: ") :]), f"{code} {said}")
    return said.splitlines()[-1]


def check_refusals(nodes):
    for flags, words in (
        (["--host-budget", f"node{nodes + 3}=64MiB"], f"there is no NUMA node {nodes + 3}"),
        (["--host-budget", "node0=900GiB"], "NUMA node 0 has"),
        (["--host-budget", "900GiB"], "the machine has"),
        (["--host-budget", "node0=64MiB,node0=64MiB"], "each node once"),
    ):
        passed("refused", refused(flags, words))
    daemon = Daemon("--host-budget", "64MiB", user=65534, shell="ulimit -l 64;")
    daemon.wait_until_ready()
    os.chmod(f"{RUNTIME}/worker.sock", 0o777)
    store(0, 0, 8)
    pool = daemon.pools()[0]
    check(pool["pinned_bytes"] == 0 and pool["pageable_bytes"] == pool["committed_bytes"] > 0, f"pool {pool}")
    lines = [line for line in open(daemon.log) if "cannot be locked" in line]
    check(len(lines) == 1 and "LimitMEMLOCK" in lines[0], f"{lines}")
    passed("unlocked", lines[0].split(" ", 2)[-1].strip())
    daemon.stop()


def main():
    nodes, cpuless = int(sys.argv[1]), int(sys.argv[2])
    print(f"{nodes} nodes, {cpuless} of them without CPU", flush=True)
    near = nodes - cpuless - 1
    steps = {
        "default": lambda: check_defaults(nodes, cpuless),
        "placement": lambda: check_placement(nodes, nodes - cpuless),
        "short": lambda: check_short(near, distances(near)[1][1]),
        "refusals": lambda: check_refusals(nodes),
    }
    for step in sys.argv[3:] or steps:
        steps[step]()
    print("every step passed")


main()
