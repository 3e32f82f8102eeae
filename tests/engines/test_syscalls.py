from __future__ import annotations

import json

import pytest

from runner.engines import syscalls

PROFILE = json.loads(syscalls.profile())
RULES = PROFILE["syscalls"]
NAMES = [name for rule in RULES for name in rule["names"]]
FREELY = {name for rule in RULES if "args" not in rule for name in rule["names"]} - {"clone3"}

NEVER_NEEDED = """
    io_uring_setup io_uring_enter io_uring_register io_setup io_submit io_getevents io_pgetevents
    ptrace process_vm_readv process_vm_writev process_madvise process_mrelease pidfd_getfd kcmp
    userfaultfd perf_event_open bpf seccomp landlock_restrict_self
    keyctl add_key request_key
    mount umount2 pivot_root chroot move_mount open_tree fsopen fsconfig fsmount fspick
    mount_setattr statmount listmount unshare setns
    kexec_load kexec_file_load init_module finit_module delete_module reboot swapon swapoff acct
    open_by_handle_at name_to_handle_at fanotify_init fanotify_mark quotactl quotactl_fd syslog
    lookup_dcookie nfsservctl
    vmsplice splice tee memfd_secret remap_file_pages mincore cachestat
    msgget msgsnd msgrcv msgctl semget semop semtimedop semctl shmget shmat shmdt shmctl
    mq_open mq_unlink mq_timedsend mq_timedreceive mq_notify mq_getsetattr
    sched_setscheduler sched_setparam sched_setattr ioprio_set
    settimeofday clock_settime adjtimex clock_adjtime sethostname setdomainname
    iopl ioperm modify_ldt vhangup sync syncfs get_mempolicy set_mempolicy mbind migrate_pages
    move_pages
"""


@pytest.mark.parametrize("name", NEVER_NEEDED.split())
def test_what_training_never_needs_is_not_allowed(name):
    assert name not in NAMES


def test_what_no_rule_allows_is_refused_and_every_rule_but_one_allows():
    assert PROFILE["defaultAction"] == "SCMP_ACT_ERRNO"
    others = [rule for rule in RULES if rule["action"] != "SCMP_ACT_ALLOW"]
    assert others == [{"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38}]


def test_no_call_is_allowed_twice():
    """A rule without conditions would make those of another one void."""
    conditional = {name for rule in RULES if "args" in rule for name in rule["names"]}
    assert not FREELY & conditional
    assert len(FREELY) == len([name for group in syscalls.ALLOWED for name in group.split()])


def test_only_the_machine_s_own_architecture_has_rules():
    assert not {"architectures", "archMap"} & set(PROFILE)


def test_the_profile_says_the_same_each_time():
    """What is compared with the engine's word must not depend on an order."""
    assert syscalls.profile.__wrapped__() == syscalls.profile()
    assert "\n" not in syscalls.profile()
