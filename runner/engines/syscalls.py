"""The system calls that a container may make: a seccomp profile of the project's own.

It is a list of what is allowed; what no line names is refused with EPERM. It began as what
container engines allow by default to a process without capabilities. Left out is what training
never needs: io_uring and the older asynchronous I/O, tracing and reading other processes, System V
IPC and message queues, splicing between pipes, handles of files, marks of fanotify, the kernel's
key ring, flushing the whole machine's disks, every other kind of socket, 32-bit programs.

What this does not protect against: a fault in a call that training does need.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

FILES = """
    access chdir chmod chown close close_range copy_file_range creat dup dup2 dup3 faccessat
    faccessat2 fadvise64 fallocate fchdir fchmod fchmodat fchmodat2 fchown fchownat fcntl fdatasync
    fgetxattr flistxattr flock fremovexattr fsetxattr fstat fstatfs fsync ftruncate futimesat getcwd
    getdents getdents64 getxattr ioctl lchown lgetxattr link linkat listxattr llistxattr
    lremovexattr lseek lsetxattr lstat mkdir mkdirat mknod mknodat newfstatat open openat openat2
    pread64 preadv preadv2 pwrite64 pwritev pwritev2 read readahead readlink readlinkat readv
    removexattr rename renameat renameat2 rmdir sendfile setxattr stat statfs statx symlink
    symlinkat sync_file_range truncate umask unlink unlinkat utime utimensat utimes write writev
"""
WAITING = """
    epoll_create epoll_create1 epoll_ctl epoll_pwait epoll_pwait2 epoll_wait eventfd eventfd2
    inotify_add_watch inotify_init inotify_init1 inotify_rm_watch pipe pipe2 poll ppoll pselect6
    select signalfd signalfd4 timerfd_create timerfd_gettime timerfd_settime
"""
MEMORY = """
    brk madvise membarrier memfd_create mlock mlock2 mlockall mmap mprotect mremap mseal msync
    munlock munlockall munmap pkey_alloc pkey_free pkey_mprotect map_shadow_stack
"""
PROCESSES = """
    arch_prctl capget capset execve execveat exit exit_group fork getegid geteuid getgid getgroups
    getpgid getpgrp getpid getppid getpriority getresgid getresuid getrlimit getrusage getsid gettid
    getuid kill pause pidfd_open pidfd_send_signal prctl prlimit64 restart_syscall rt_sigaction
    rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait
    rt_tgsigqueueinfo setfsgid setfsuid setgid setgroups setpgid setregid setresgid setresuid
    setreuid setrlimit setsid setuid sigaltstack tgkill tkill vfork wait4 waitid
"""
THREADS = """
    futex futex_requeue futex_wait futex_waitv futex_wake get_robust_list getcpu rseq
    sched_get_priority_max sched_get_priority_min sched_getaffinity sched_getattr sched_getparam
    sched_getscheduler sched_rr_get_interval sched_setaffinity sched_yield set_robust_list
    set_tid_address
"""
TIME = """
    alarm clock_getres clock_gettime clock_nanosleep getitimer gettimeofday nanosleep setitimer time
    timer_create timer_delete timer_getoverrun timer_gettime timer_settime times
"""
SOCKETS = """
    accept accept4 bind connect getpeername getsockname getsockopt listen recvfrom recvmmsg recvmsg
    sendmmsg sendmsg sendto setsockopt shutdown
"""
MACHINE = "getrandom sysinfo uname"
ALLOWED = (FILES, WAITING, MEMORY, PROCESSES, THREADS, TIME, SOCKETS, MACHINE)

ALLOW = "SCMP_ACT_ALLOW"
ERRNO = "SCMP_ACT_ERRNO"
EQUAL = "SCMP_CMP_EQ"
MASKED = "SCMP_CMP_MASKED_EQ"
ENOSYS = 38
NAMESPACES = 0x7E02_0000
"""Flags of `clone` that make a namespace."""
UNIX, INET, NETLINK, INET6 = 1, 2, 16, 10
STREAM, DATAGRAM = 1, 2
TCP, UDP = 6, 17
KIND = 0xF
"""What of a socket's type is no flag."""
SELF = 0
AS_IT_IS = 0xFFFF_FFFF
"""Asks `personality` and changes nothing."""


@cache
def profile() -> str:
    """Return the profile as the engine takes it: JSON, in one line."""
    document = {
        "defaultAction": ERRNO,
        # Without architectures: the engine's own and no other, so no 32-bit programs.
        "syscalls": [_allowed(name for group in ALLOWED for name in group.split()), *_particular()],
    }
    return json.dumps(document, separators=(",", ":"))


def _particular() -> Iterator[dict[str, Any]]:
    """Calls that are allowed with some arguments only."""
    yield _allowed(["clone"], (0, MASKED, NAMESPACES, 0))
    # Its flags are in memory, where no filter looks. As if it were not there, libraries do without.
    yield {"names": ["clone3"], "action": ERRNO, "errnoRet": ENOSYS}
    # One's own only: another's could be the first process, which must get its turn to end us.
    yield _allowed(["setpriority"], (0, EQUAL, SELF), (1, EQUAL, SELF))
    for value in (0, AS_IT_IS):
        yield _allowed(["personality"], (0, EQUAL, value))
    yield _allowed(["socket", "socketpair"], (0, EQUAL, UNIX))
    # What lists the interfaces; the other protocols of this family are not needed.
    yield _allowed(["socket"], (0, EQUAL, NETLINK), (2, EQUAL, 0))
    for family in (INET, INET6):
        for kind, protocol in ((STREAM, TCP), (DATAGRAM, UDP)):
            for named in (0, protocol):
                yield _allowed(
                    ["socket"], (0, EQUAL, family), (1, MASKED, KIND, kind), (2, EQUAL, named)
                )


def _allowed(names: Any, *arguments: tuple[Any, ...]) -> dict[str, Any]:
    keys = ("index", "op", "value", "valueTwo")
    told = [dict(zip(keys, argument, strict=False)) for argument in arguments]
    return {"names": list(names), "action": ALLOW, **({"args": told} if told else {})}
