# SPDX-License-Identifier: Apache-2.0
"""The preload object is one that any libc loads: needs nobody, defines what the table says and nothing else."""
import os
import re
import subprocess

from shim_host import API, SHIM, WRAPPED


def tool(*command):
    return subprocess.run([*command, SHIM], stdout=subprocess.PIPE, check=True, text=True).stdout


def symbols():
    for line in tool("readelf", "--dyn-syms", "-W").splitlines():
        fields = line.split()
        if len(fields) >= 8 and fields[0].rstrip(":").isdigit() and fields[0] != "0:":
            yield dict(zip(("type", "bind", "visibility", "section", "name"), fields[3:]))


def test_it_needs_no_library_and_no_version():
    dynamic = tool("readelf", "-dW")
    for word in ("NEEDED", "TEXTREL", "RPATH", "RUNPATH", "VERNEED", "SYMBOLIC"):
        assert word not in dynamic, word
    assert "BIND_NOW" in dynamic and "STATIC_TLS" in dynamic and "NODELETE" in dynamic
    assert "(GNU_HASH)" in dynamic and "(HASH)" in dynamic
    assert "version needs" not in tool("readelf", "-VW").lower()


def test_it_defines_two_versions_of_two_names_and_no_others():
    """T06: a pthread_cond_wait of before glibc 2.3.2 takes another kind of condition. Every other name answers to any version."""
    if os.uname().machine != "x86_64":
        assert all("@" not in s["name"] for s in symbols())
        return
    versioned = {s["name"] for s in symbols() if "@" in s["name"]}
    assert versioned == {name + version for name in ("pthread_cond_wait", "pthread_cond_timedwait")
                         for version in ("@GLIBC_2.2.5", "@@GLIBC_2.3.2")}


def test_every_undefined_symbol_is_weak():
    undefined = {s["name"]: s["bind"] for s in symbols() if s["section"] == "UND"}
    assert undefined and set(undefined.values()) == {"WEAK"}, undefined
    assert set(undefined) <= {"dl_iterate_phdr", "getauxval", "__environ", "__errno_location"}


def test_it_exports_the_table_and_nothing_else():
    assert {s["name"].split("@")[0] for s in symbols() if s["section"] not in ("UND", "ABS")} == WRAPPED | API
    assert {s["name"] for s in symbols() if s["section"] == "ABS"} <= {"GLIBC_2.2.5", "GLIBC_2.3.2"}


def test_its_memory_is_small_and_not_executable():
    headers = tool("readelf", "-lW")
    tls = re.search(r"^ +TLS +\S+ \S+ \S+ (\S+) (\S+)", headers, re.M)
    assert int(tls.group(2), 16) <= 16
    assert " E " not in re.search(r"^ +GNU_STACK .*$", headers, re.M).group(0).replace("RWE", " E ")
    assert "RWE" not in headers


def test_it_is_not_instrumented():
    names = tool("nm")
    for word in ("__asan", "__ubsan", "__tsan", "__gcov", "__stack_chk"):
        assert word not in names, word


def function(name):
    text = tool("objdump", "-d", "--no-show-raw-insn", f"--disassemble={name}")
    return re.findall(r"^ +[0-9a-f]+:\t(.*)$", text, re.M)


def test_syscall_passes_what_does_not_wait_on_by_a_jump():
    """Nothing is pushed and no argument register changes on the way to libc's function."""
    before_jump = []
    for instruction in function("syscall"):
        before_jump.append(instruction)
        if re.match(r"jmp +\*|br ", instruction):
            break
    assert re.match(r"jmp +\*%rax|br +x16", before_jump[-1])
    for instruction in before_jump[:-1]:
        assert re.match(r"(cmp|je|test|mov +0x[0-9a-f]+\(%rip\),%rax|b\.eq|cbz|adrp +x16|ldr +x16)", instruction), instruction


def test_the_plain_case_of_a_wrapper_is_short():
    """A guard for the hot path: a wrapper that grows shows here before it shows in a benchmark."""
    for name in ("read", "pthread_mutex_lock", "epoll_wait"):
        assert len(function(name)) <= 34, (name, len(function(name)))


def test_wrappers_use_little_stack():
    for line in tool("objdump", "-d", "--no-show-raw-insn").splitlines():
        frame = re.search(r"sub +\$0x([0-9a-f]+),%rsp", line)
        if frame:  # the constructor reads /proc/self/status on its stack, main thread only
            assert int(frame.group(1), 16) <= 512 or int(frame.group(1), 16) in range(4096, 4608), line
