//! The thread that follows a process from one stop to the next.

use std::collections::{HashMap, HashSet};
use std::fs;

use nix::errno::Errno;
use nix::libc;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::Pid;

use super::calls::{self, Entry};
use super::{Action, Scope, Shared};

/// Follows the process until it ends or the tracer is told to leave; whoever then stands still runs on.
pub(super) fn follow(pid: Pid, shared: &Shared) {
    let seized = seize_all(pid);
    shared.lock().attached = Some(seized);
    shared.changed.notify_all();
    if seized.is_ok() {
        let mut following = Following {
            pid,
            shared,
            failing: HashMap::new(),
            last: HashSet::new(),
            processes: HashMap::new(),
        };
        while following.next() {}
    }
    // Leaving the thread detaches from everything.
}

fn seize_all(pid: Pid) -> Result<(), Errno> {
    let options = Options::PTRACE_O_TRACESYSGOOD
        | Options::PTRACE_O_TRACECLONE
        | Options::PTRACE_O_TRACEFORK
        | Options::PTRACE_O_TRACEVFORK
        | Options::PTRACE_O_TRACEEXEC;
    let mut seized = Vec::new();
    loop {
        // A thread that begins while the others are seized is found by the next look.
        let new: Vec<Pid> = threads(pid)
            .into_iter()
            .filter(|thread| !seized.contains(thread))
            .collect();
        if new.is_empty() {
            return Ok(());
        }
        for thread in new {
            match ptrace::seize(thread, options) {
                Ok(()) => ptrace::interrupt(thread)?,
                // It has ended, or came with its maker who was seized already.
                Err(Errno::ESRCH | Errno::EPERM) if thread != pid => {}
                Err(errno) => return Err(errno),
            }
            seized.push(thread);
        }
    }
}

fn threads(pid: Pid) -> Vec<Pid> {
    let Ok(entries) = fs::read_dir(format!("/proc/{pid}/task")) else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .map(Pid::from_raw)
        .collect()
}

struct Following<'a> {
    pid: Pid,
    shared: &'a Shared,
    /// Threads in a call that was replaced by none, with what they are to be told.
    failing: HashMap<Pid, Errno>,
    /// Threads in a call after which their process is killed.
    last: HashSet<Pid>,
    /// The process of each thread that was seen.
    processes: HashMap<Pid, Pid>,
}

impl Following<'_> {
    /// Waits for a stop and goes on from there. `false` at the end.
    fn next(&mut self) -> bool {
        let ours = WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD;
        let peek = ours | WaitPidFlag::WEXITED | WaitPidFlag::WSTOPPED | WaitPidFlag::WNOWAIT;
        // Only a look: the process' own end is for its parent to hear.
        match waitid(Id::All, peek) {
            Ok(WaitStatus::Exited(pid, _) | WaitStatus::Signaled(pid, _, _)) if pid == self.pid => {
                false
            }
            Ok(seen) => match waitpid(seen.pid(), Some(ours)) {
                Ok(stopped) => self.handle(stopped),
                Err(_) => true,
            },
            Err(Errno::EINTR) => true,
            Err(_) => false,
        }
    }

    fn handle(&mut self, stopped: WaitStatus) -> bool {
        match stopped {
            WaitStatus::PtraceSyscall(thread) => self.at_call(thread),
            WaitStatus::PtraceEvent(thread, _, _) => resume(thread, None),
            WaitStatus::Stopped(thread, signal) => {
                let for_us = signal == Signal::SIGURG;
                // A new thread's first stop is no signal of anybody's.
                let passed = (!for_us && signal != Signal::SIGSTOP).then_some(signal);
                resume(thread, passed);
                return !(for_us && self.told());
            }
            WaitStatus::Exited(thread, _) | WaitStatus::Signaled(thread, _, _) => {
                self.failing.remove(&thread);
                self.last.remove(&thread);
                self.processes.remove(&thread);
            }
            _ => {}
        }
        true
    }

    /// Does what the tracer was told to; whether to leave.
    fn told(&mut self) -> bool {
        let mut state = self.shared.lock();
        if std::mem::take(&mut state.release)
            && let Some(thread) = state.hanging.take()
        {
            resume(thread, None);
        }
        self.shared.changed.notify_all();
        state.leave
    }

    fn at_call(&mut self, thread: Pid) {
        let entering = ptrace::syscall_info(thread)
            .is_ok_and(|info| info.op == libc::PTRACE_SYSCALL_INFO_ENTRY);
        if !entering {
            return self.after_call(thread);
        }
        match self.decide(thread) {
            None | Some(Action::Count) => resume(thread, None),
            Some(Action::Fail(errno)) => {
                // No call has this number: the kernel does nothing.
                if let Ok(mut registers) = ptrace::getregs(thread) {
                    registers.orig_rax = u64::MAX;
                    if ptrace::setregs(thread, registers).is_ok() {
                        self.failing.insert(thread, errno);
                    }
                }
                resume(thread, None);
            }
            Some(Action::Kill) => {
                self.last.insert(thread);
                resume(thread, None);
            }
            Some(Action::Hang) => {}
        }
    }

    fn after_call(&mut self, thread: Pid) {
        if self.last.remove(&thread) {
            // What stands still in a stop does not come to its next instruction.
            let _ = kill(self.process_of(thread), Signal::SIGKILL);
            return;
        }
        if let Some(errno) = self.failing.remove(&thread) {
            answer(thread, errno);
        }
        resume(thread, None);
    }

    /// What to do about the call that the thread is about to make.
    fn decide(&mut self, thread: Pid) -> Option<Action> {
        let plan = self.shared.lock().plan?;
        let registers = ptrace::getregs(thread).ok()?;
        let of_plugin = self.process_of(thread) == self.pid;
        match plan.scope {
            Scope::Program(name) if of_plugin || !runs(self.process_of(thread), name) => {
                return None;
            }
            Scope::Changes | Scope::All if !of_plugin => return None,
            _ => {}
        }
        let entry = Entry {
            thread,
            number: registers.orig_rax,
            args: [
                registers.rdi,
                registers.rsi,
                registers.rdx,
                registers.r10,
                registers.r8,
                registers.r9,
            ],
        };
        let step = calls::step(&entry, plan.scope)?;
        let mut state = self.shared.lock();
        // The plan may have been ended meanwhile.
        let plan = state.plan?;
        state.steps.push(step.clone());
        if state.steps.len() != plan.at || plan.action == Action::Count {
            return None;
        }
        state.hit = Some(step);
        if plan.action == Action::Hang {
            state.hanging = Some(thread);
        }
        self.shared.changed.notify_all();
        Some(plan.action)
    }

    fn process_of(&mut self, thread: Pid) -> Pid {
        *self
            .processes
            .entry(thread)
            .or_insert_with(|| process_of(thread).unwrap_or(thread))
    }
}

fn process_of(thread: Pid) -> Option<Pid> {
    let status = fs::read_to_string(format!("/proc/{thread}/status")).ok()?;
    let group = status
        .lines()
        .find_map(|line| line.strip_prefix("Tgid:"))?
        .trim();
    Some(Pid::from_raw(group.parse().ok()?))
}

fn runs(process: Pid, name: &str) -> bool {
    fs::read(format!("/proc/{process}/cmdline")).is_ok_and(|line| {
        let program = line.split(|byte| *byte == 0).next().unwrap_or_default();
        String::from_utf8_lossy(program).ends_with(&format!("/{name}"))
    })
}

/// Tells the thread, at the end of a call that was not made, that it failed.
fn answer(thread: Pid, errno: Errno) {
    if let Ok(mut registers) = ptrace::getregs(thread) {
        registers.rax = i64::from(errno as i32).wrapping_neg().cast_unsigned();
        // A thread that was killed meanwhile needs no answer.
        let _ = ptrace::setregs(thread, registers);
    }
}

/// A thread that was killed meanwhile can't be resumed, and needn't.
fn resume(thread: Pid, signal: Option<Signal>) {
    let _ = ptrace::syscall(thread, signal);
}
