# SPDX-License-Identifier: Apache-2.0
"""The supervisor's side of the shim and nothing else: a segment, its hand-over, and eyes on the slots.

Host makes a sealed memfd, gives it to whoever asks for it, and starts programs with the shim preloaded.
Names and offsets are read from the headers, so that a test says slot.call, slot.op, slot.object.
"""
import array
import fcntl
import mmap
import os
import re
import signal
import socket
import struct
import subprocess
import textwrap
import time
import uuid

from lifesign import SOURCE, clean_environment, wait_until

SHIM = os.environ["LIFESIGN_SHIM"]
SUPPORT = os.environ.get("LIFESIGN_SUPPORT", "")
MAGIC = struct.unpack("<Q", b"LIFESIGN")[0]
CALL_OP_MASK, CALL_TIMED, CALL_INSIDE = 0xffff, 0x10000, 0x20000
HEADER_BYTES, ENTRY_BYTES = 4096, 128


def _text(path):
    with open(os.path.join(SOURCE, path), encoding="utf-8") as f:
        return f.read()


def _layout():
    """{struct: {field: (offset, format)}} from segment.h."""
    text = _text("include/lifesign/segment.h")
    formats = {"uint64_t": "<Q", "int64_t": "<q", "uint32_t": "<I", "int32_t": "<i", "uint16_t": "<H"}
    layout = {}
    for name, body in re.findall(r"^struct (segment_\w+) \{(.*?)^\};", text, re.S | re.M):
        types = dict(reversed(pair) for pair in re.findall(r"^\t(\w+) (\w+);", body, re.M))
        offsets = re.findall(rf"SEGMENT_AT\({name}, (\w+), (\d+)\)", text)
        layout[name] = {field: (int(offset), formats[types[field]]) for field, offset in offsets if field in types}
    return layout


LAYOUT = _layout()
CALLS_TEXT = re.sub(r"[ \t]*\\\n[ \t]*", " ", _text("include/lifesign/calls.h"))


def _rows(macro):
    line = re.search(rf"^#define {macro}\(X\)(.*)$", CALLS_TEXT, re.M).group(1)
    return [row.split(",")[0:2] for row in re.findall(r"X\(([^()]*)", line)]


NUMBERS = {b.strip(): int(a) for m in ("LS_CALLS", "LS_CALLS_BY_HAND", "LS_API_CALLS") for a, b in _rows(m)}
NAMES = {number: name for name, number in NUMBERS.items()}
CALLS = {b.strip() for m in ("LS_CALLS", "LS_CALLS_BY_HAND") for _, b in _rows(m)}
TWINS = {a.strip(): b.strip() for m in ("LS_TWINS", "LS_TWINS_BY_HAND") for a, b in _rows(m)}
CONTROLS = {row[0].strip() for row in _rows("LS_CONTROLS")}
API = {row[0].strip() for row in _rows("LS_API")} | {b.strip() for _, b in _rows("LS_API_CALLS")}
WRAPPED = CALLS | set(TWINS) | CONTROLS


class Record:
    """One header, process entry or slot, copied when it was made."""

    def __init__(self, kind, data, index=0):
        self.kind, self.data, self.index = kind, data, index

    def __getattr__(self, field):
        offset, form = LAYOUT[self.kind][field]
        return struct.unpack_from(form, self.data, offset)[0]

    @property
    def pid(self):
        return self.claim & 0xffffffff

    @property
    def op(self):
        """Name of the call it is inside, None outside of any."""
        return NAMES.get(self.call & CALL_OP_MASK) if self.call else None

    @property
    def nested_op(self):
        return NAMES.get(self.nested) if self.nested else None

    @property
    def timed(self):
        return bool(self.call & CALL_TIMED)

    @property
    def inside(self):
        """Name of the container it is inside, None without."""
        return NAMES.get(self.container >> 48) if self.call & CALL_INSIDE else None

    @property
    def thread_name(self):
        return self.data[112:128].split(b"\0")[0].decode()

    def __repr__(self):
        if self.kind != "segment_slot":
            return f"<{self.kind} {self.index} pid {self.pid}>"
        return f"<{self.kind} {self.index} pid {self.pid} {self.op} nested {self.nested_op} entries {self.entries}>"


class Host:
    """`near`: who may look into this process opens the memory by itself, as with the real supervisor; it does not hang
    on how soon the server runs. The others ask the server, which counts what it grants."""

    def __init__(self, slots=256, processes=64, filters=None, answer=True, change=None, directory=None, near=True):
        self.slot_count, self.process_count = slots, processes
        self.slot_offset = HEADER_BYTES + processes * ENTRY_BYTES
        self.bytes = self.slot_offset + slots * ENTRY_BYTES
        self.fd = os.memfd_create("lifesign", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.ftruncate(self.fd, self.bytes)
        fcntl.fcntl(self.fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW)
        self.memory = mmap.mmap(self.fd, self.bytes)
        self._write_header()
        for field, value in (change or {}).items():
            self.set(field, value)
        if near and answer:
            self.name = f"@lifesign-test-segment-{os.getpid()}-{uuid.uuid4().hex[:12]}+{filters or 0}.{self.fd}.{self.created:x}"
        else:
            tail = "" if filters is None else f"+{filters}"
            self.name = f"@lifesign-test-{os.getpid()}-{uuid.uuid4().hex[:12]}{tail}"
        self.granted = mmap.mmap(-1, 8)  # shared with the server
        self.started = []
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.directory = directory
        self.socket.bind(os.path.join(directory, "join") if directory else "\0" + self.name[1:])
        if directory:
            os.chmod(os.path.join(directory, "join"), 0o666)
        self.socket.listen(512)
        self.server = self._start_server() if answer else None

    def set(self, field, value, kind="segment_header", base=0):
        offset, form = LAYOUT[kind][field]
        struct.pack_into(form, self.memory, base + offset, value)

    def _write_header(self):
        boot, mono = time.clock_gettime_ns(time.CLOCK_BOOTTIME), time.clock_gettime_ns(time.CLOCK_MONOTONIC)
        self.created = boot
        for field, value in {
                "abi_major": 1, "abi_minor": 0, "header_bytes": HEADER_BYTES, "process_bytes": ENTRY_BYTES,
                "process_count": self.process_count, "process_offset": HEADER_BYTES, "slot_bytes": ENTRY_BYTES,
                "slot_count": self.slot_count, "slot_offset": self.slot_offset, "segment_bytes": self.bytes,
                "created": boot, "boot_minus_mono": boot - mono, "supervisor": os.getpid(), "magic": MAGIC}.items():
            self.set(field, value)

    def _start_server(self):
        """A process of its own: a shim waits 20 ms and no longer, whatever this one computes meanwhile."""
        pid = os.fork()
        if pid:
            return pid
        try:
            os.nice(-10)
        except OSError:
            pass  # not root: it has to do without
        try:
            self._serve()
        finally:
            os._exit(0)

    def _serve(self):
        while os.getppid() != 1:
            peer, _ = self.socket.accept()
            with peer:
                pid = struct.unpack("3i", peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]
                try:
                    if self.directory:
                        peer.recv(4096)  # its hello; unread, the end of this connection would be a reset
                    peer.sendmsg([struct.pack("<QQII", MAGIC, self.bytes, pid, 0)],
                                 [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [self.fd]))])
                    struct.pack_into("<Q", self.granted, 0, self.grants + 1)
                except OSError:
                    pass

    @property
    def grants(self):
        return struct.unpack_from("<Q", self.granted)[0]

    def serve_instead(self, fd):
        """Hands out another descriptor from now on; the old one."""
        os.kill(self.server, signal.SIGKILL)
        os.waitpid(self.server, 0)
        self.fd, old = fd, self.fd
        self.server = self._start_server()
        return old

    # ---- programs under the shim

    def env(self, extra=None):
        where = {"LIFESIGN_DIR": self.directory} if self.directory else {"LIFESIGN_SEGMENT": self.name}
        return clean_environment({"LD_PRELOAD": SHIM, **where, **(extra or {})})

    def start(self, command, env=None, **options):
        options.setdefault("stdin", subprocess.DEVNULL)
        process = subprocess.Popen([str(word) for word in command], env=self.env(env), **options)
        self.started.append(process)
        return process

    def talk(self, command, **options):
        """A support program that says "ready" and then obeys lines on its stdin."""
        process = self.start(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, **options)
        line = process.stdout.readline()
        assert line.strip() == b"ready", line
        assert is_mapped(process.pid), "the shim is not mapped"
        return process

    def close(self):
        for process in self.started:
            if process.poll() is None:
                process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout, process.stderr):
                if stream:
                    stream.close()
        if self.server:
            os.kill(self.server, signal.SIGKILL)
            os.waitpid(self.server, 0)
        self.socket.close()
        self.memory.close()
        os.close(self.fd)

    # ---- what they wrote

    @property
    def header(self):
        return Record("segment_header", self.memory[:HEADER_BYTES])

    def _table(self, kind, offset, count):
        for i in range(count):
            at = offset + i * ENTRY_BYTES
            record = Record(kind, self.memory[at:at + ENTRY_BYTES], i)
            if record.claim:
                yield record

    def slots(self, pid=None):
        found = self._table("segment_slot", self.slot_offset, self.slot_count)
        return [s for s in found if pid is None or s.pid == pid]

    def processes(self, pid=None):
        found = self._table("segment_process", HEADER_BYTES, self.process_count)
        return [p for p in found if pid is None or p.pid == pid]

    def slot(self, tid):
        """The slot of a thread; None without one."""
        return next((s for s in self.slots() if s.tid == tid), None)

    def shows(self, tid, op, seconds=30):
        """The slot of a thread, as soon as it is inside that call (None: outside of any)."""
        def is_so():
            slot = self.slot(tid)
            return slot if slot and slot.op == op else None
        return wait_until(is_so, seconds, lambda: f"{op} in {self.slots()}")


def builder(directory):
    """build(compiler, text, *flags, suffix=".c") -> path of the program, in that directory."""
    made = []

    def build(compiler, text, *flags, suffix=".c"):
        program = directory / f"p{len(made)}"
        source = program.with_suffix(suffix)
        made.append(program)
        source.write_text(textwrap.dedent(text))
        subprocess.run([compiler, "-o", program, source, *flags], check=True, cwd=directory)
        return program
    return build


def end(command, env, **options):
    """(pid, (status, stdout, stderr)) of a program that ends by itself."""
    process = subprocess.Popen([str(w) for w in command], env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True, **options)
    out, err = process.communicate(timeout=60)
    return process.pid, (process.returncode, out, err)


def is_mapped(pid):
    with open(f"/proc/{pid}/maps", encoding="utf-8") as f:
        maps = f.read()
    return "liblifesign.so" in maps and "memfd:lifesign" in maps
