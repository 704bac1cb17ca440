//! What does the kernel hold a process to, from before its first instruction?

use std::{collections::BTreeMap, io, os::unix::process::CommandExt as _, path::PathBuf, process::Command};

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, CompatLevel, Compatible as _, Ruleset, RulesetAttr as _, RulesetCreated,
    RulesetCreatedAttr as _, Scope, path_beneath_rules,
};
use rustix::process::{Resource, Rlimit, Signal, set_parent_process_death_signal, setrlimit};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
};

use super::{Limits, SandboxError};

/// Everything built before the fork, so that the child only makes system calls.
pub(super) struct Guard {
    files: Option<RulesetCreated>,
    calls: [BpfProgram; 2],
}

/// Rules for files and system calls. What Landlock's first version holds is demanded, what later versions add is
/// taken where the kernel has it.
pub(super) fn guard(read: &[PathBuf], write: &[PathBuf]) -> Result<Guard, SandboxError> {
    let files = files(read, write).map_err(|error| SandboxError::Kernel(error.to_string()))?;
    let calls = [refused()?, pretended_missing()?];
    Ok(Guard { files: Some(files), calls })
}

fn files(read: &[PathBuf], write: &[PathBuf]) -> Result<RulesetCreated, landlock::RulesetError> {
    let newest = ABI::V6;
    let devices = ["/dev/null", "/dev/zero", "/dev/full"];
    let sources = ["/dev/urandom", "/dev/random", "/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/proc/filesystems"];
    Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(ABI::V1))?
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(newest))?
        .handle_access(AccessNet::from_all(newest))?
        .scope(Scope::from_all(newest))?
        .create()?
        .add_rules(path_beneath_rules(read, AccessFs::from_read(newest)))?
        .add_rules(path_beneath_rules(write, AccessFs::from_all(newest)))?
        .add_rules(path_beneath_rules(devices, AccessFs::ReadFile | AccessFs::WriteFile))?
        .add_rules(path_beneath_rules(sources, AccessFs::ReadFile))
}

/// Calls that fail as forbidden: every socket (a pair of connected ones stays allowed, programs talk to their own
/// children so), other processes, the kernel itself, and leaving the process group, so that ending the group ends all.
fn refused() -> Result<BpfProgram, SandboxError> {
    let calls = [
        libc::SYS_socket,
        libc::SYS_connect,
        libc::SYS_bind,
        libc::SYS_listen,
        libc::SYS_ptrace,
        libc::SYS_process_vm_readv,
        libc::SYS_process_vm_writev,
        libc::SYS_pidfd_getfd,
        libc::SYS_pidfd_open,
        libc::SYS_keyctl,
        libc::SYS_add_key,
        libc::SYS_request_key,
        libc::SYS_bpf,
        libc::SYS_perf_event_open,
        libc::SYS_userfaultfd,
        libc::SYS_mount,
        libc::SYS_umount2,
        libc::SYS_move_mount,
        libc::SYS_open_tree,
        libc::SYS_fsopen,
        libc::SYS_fsmount,
        libc::SYS_pivot_root,
        libc::SYS_chroot,
        libc::SYS_unshare,
        libc::SYS_setns,
        libc::SYS_kexec_load,
        libc::SYS_init_module,
        libc::SYS_finit_module,
        libc::SYS_delete_module,
        libc::SYS_setsid,
        libc::SYS_setpgid,
    ];
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = calls.into_iter().flat_map(both_numbers).collect();
    rules.insert(libc::SYS_clone, vec![new_user_namespace()?]);
    compile(rules, libc::EPERM)
}

/// Calls that a filter cannot look into, told to be missing: their callers fall back on the ones it can.
fn pretended_missing() -> Result<BpfProgram, SandboxError> {
    let calls = [libc::SYS_io_uring_setup, libc::SYS_io_uring_enter, libc::SYS_io_uring_register, libc::SYS_clone3];
    compile(calls.into_iter().flat_map(both_numbers).collect(), libc::ENOSYS)
}

/// A call's number, and on x86-64 the one it has for 32-bit pointers as well.
fn both_numbers(call: i64) -> Vec<(i64, Vec<SeccompRule>)> {
    const X32: i64 = 0x4000_0000;
    let mut numbers = vec![(call, Vec::new())];
    if cfg!(target_arch = "x86_64") {
        numbers.push((call | X32, Vec::new()));
    }
    numbers
}

fn new_user_namespace() -> Result<SeccompRule, SandboxError> {
    let flag = u64::from(libc::CLONE_NEWUSER.cast_unsigned());
    let condition = SeccompCondition::new(0, SeccompCmpArgLen::Qword, SeccompCmpOp::MaskedEq(flag), flag);
    condition.and_then(|condition| SeccompRule::new(vec![condition])).map_err(refusal)
}

fn compile(rules: BTreeMap<i64, Vec<SeccompRule>>, errno: i32) -> Result<BpfProgram, SandboxError> {
    let target = std::env::consts::ARCH.try_into().map_err(refusal)?;
    let action = SeccompAction::Errno(errno.cast_unsigned());
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, action, target).map_err(refusal)?;
    filter.try_into().map_err(refusal)
}

fn refusal(error: impl std::fmt::Display) -> SandboxError {
    SandboxError::Kernel(error.to_string())
}

/// Makes the command lead a process group, keep to the limits, die with us, and live under the guard.
pub(super) fn before_start(command: &mut Command, limits: Limits, guard: Option<Guard>) {
    command.process_group(0);
    let mut guard = guard;
    let prepare = move || {
        confine(limits)?;
        guard.as_mut().map_or(Ok(()), Guard::close)
    };
    #[expect(unsafe_code, reason = "the closure makes system calls on memory that was made before the fork, only")]
    // SAFETY: `confine` and `Guard::close` take no lock and allocate nothing on their way to success.
    unsafe {
        command.pre_exec(prepare);
    }
}

fn confine(limits: Limits) -> io::Result<()> {
    let limit = |resource, value| {
        let set = setrlimit(resource, Rlimit { current: Some(value), maximum: Some(value) });
        // A limit that is already lower stays: an unprivileged process may not raise it.
        if set == Err(rustix::io::Errno::PERM) { Ok(()) } else { set }
    };
    limit(Resource::Data, limits.memory)?;
    limit(Resource::Cpu, limits.cpu_seconds)?;
    limit(Resource::Fsize, limits.file)?;
    limit(Resource::Core, 0)?;
    set_parent_process_death_signal(Some(Signal::KILL))?;
    Ok(())
}

impl Guard {
    fn close(&mut self) -> io::Result<()> {
        let refused = || io::Error::from(io::ErrorKind::PermissionDenied);
        let files = self.files.take().ok_or_else(refused)?;
        let status = files.restrict_self().map_err(|_| refused())?;
        if status.ruleset == landlock::RulesetStatus::NotEnforced {
            return Err(refused());
        }
        self.calls.iter().try_for_each(|filter| seccompiler::apply_filter(filter)).map_err(|_| refused())
    }
}
