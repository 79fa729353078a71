//! System calls about processes: signals to groups, and what a new process does before it becomes
//! another program.
#![expect(unsafe_code, reason = "these system calls have no safe form in the standard library")]

use std::{
    ffi::{CStr, CString},
    io,
    os::unix::{ffi::OsStrExt, process::CommandExt},
    path::Path,
    process::{Command, Stdio},
    sync::OnceLock,
};

/// What names mean to a process: files in the place of `/etc/hosts` and `/etc/resolv.conf`.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    hosts: CString,
    resolver: CString,
}

impl Names {
    /// Returns names that are in these files.
    ///
    /// # Errors
    /// A path has a zero byte.
    pub(crate) fn of(hosts: &Path, resolver: &Path) -> io::Result<Self> {
        let text = |path: &Path| CString::new(path.as_os_str().as_bytes());
        Ok(Self { hosts: text(hosts)?, resolver: text(resolver)? })
    }
}

/// A signal that a process cannot refuse.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Signal {
    /// It dies.
    Kill,
    /// It stops where it is.
    Stop,
    /// It goes on.
    Continue,
}

/// Sends a signal to every process of a group. Does nothing if there is none.
pub(crate) fn signal_group(group: u32, signal: Signal) {
    let signal = match signal {
        Signal::Kill => libc::SIGKILL,
        Signal::Stop => libc::SIGSTOP,
        Signal::Continue => libc::SIGCONT,
    };
    let Some(group) = libc::pid_t::try_from(group).ok().filter(|group| *group > 1) else { return };
    // SAFETY: `killpg` takes two numbers.
    unsafe { libc::killpg(group, signal) };
}

/// Kills one process.
pub(crate) fn kill(process: u32) {
    let Some(process) = libc::pid_t::try_from(process).ok().filter(|id| *id > 1) else { return };
    // SAFETY: `kill` takes two numbers.
    unsafe { libc::kill(process, libc::SIGKILL) };
}

/// Has a command run in a group and namespaces of its own, in which names mean what `names` says. It
/// dies with the thread that starts it.
pub(crate) fn isolate(command: &mut Command, names: &Names) {
    command.process_group(0);
    let (names, ids) = (names.clone(), Ids::own());
    // SAFETY: between fork and exec this makes system calls only, and allocates nothing.
    unsafe {
        command.pre_exec(move || {
            unshare(&ids)?;
            mount(None, c"/", libc::MS_REC | libc::MS_PRIVATE)?;
            mount(Some(&names.hosts), c"/etc/hosts", libc::MS_BIND)?;
            mount(Some(&names.resolver), c"/etc/resolv.conf", libc::MS_BIND)?;
            // After the namespaces, because a change of rights takes it back.
            check(libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL))
        });
    }
}

/// Has a command run in a session of its own, where no Ctrl-C reaches it.
pub(crate) fn detach(command: &mut Command) {
    // SAFETY: between fork and exec this makes one system call, and allocates nothing.
    unsafe {
        command.pre_exec(|| check(libc::setsid()));
    }
}

/// Returns whether this kernel lets this user have mount namespaces; the error is a sentence with a
/// remedy.
pub(crate) fn is_isolation_possible() -> Result<(), String> {
    static POSSIBLE: OnceLock<Result<(), String>> = OnceLock::new();
    POSSIBLE.get_or_init(try_isolation).clone()
}

fn try_isolation() -> Result<(), String> {
    let names = Names { hosts: c"/dev/null".into(), resolver: c"/dev/null".into() };
    let mut command = Command::new("/bin/sh");
    command.args(["-c", ":"]).stdin(Stdio::null());
    isolate(&mut command, &names);
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("a process in namespaces of its own ends with {status}")),
        Err(error) => Err(format!(
            "this kernel lets no process of this user have a hosts file of its own ({error}); allow \
             user namespaces (`sysctl user.max_user_namespaces=1000`, \
             `sysctl kernel.unprivileged_userns_clone=1`, `sysctl \
             kernel.apparmor_restrict_unprivileged_userns=0`), or run as root"
        )),
    }
}

/// What is written about user and group of a new namespace: they stay what they are.
struct Ids {
    is_root: bool,
    users: CString,
    groups: CString,
}

impl Ids {
    fn own() -> Self {
        // SAFETY: these take nothing and cannot fail.
        let (user, group) = unsafe { (libc::geteuid(), libc::getegid()) };
        let same = |id: u32| CString::new(format!("{id} {id} 1")).unwrap_or_default();
        Self { is_root: user == 0, users: same(user), groups: same(group) }
    }
}

/// Takes a mount namespace of its own; whoever may not, one in a user namespace.
fn unshare(ids: &Ids) -> io::Result<()> {
    // SAFETY: `unshare` takes a number.
    if ids.is_root && unsafe { libc::unshare(libc::CLONE_NEWNS) } == 0 {
        return Ok(());
    }
    // SAFETY: the same.
    check(unsafe { libc::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWNS) })?;
    write(c"/proc/self/setgroups", c"deny")?;
    write(c"/proc/self/uid_map", &ids.users)?;
    write(c"/proc/self/gid_map", &ids.groups)
}

fn mount(source: Option<&CStr>, target: &CStr, flags: libc::c_ulong) -> io::Result<()> {
    let source = source.map_or(c"none".as_ptr(), CStr::as_ptr);
    let none = std::ptr::null();
    // SAFETY: both paths are strings that end in a zero byte and outlive the call; null stands for no
    // type of file system and no data, which these flags do not need.
    check(unsafe { libc::mount(source, target.as_ptr(), none, flags, none.cast()) })
}

fn write(path: &CStr, text: &CStr) -> io::Result<()> {
    let bytes = text.to_bytes();
    // SAFETY: the path is a string that ends in a zero byte; the buffer is as long as is said.
    unsafe {
        let file = libc::open(path.as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC);
        check(file)?;
        let written = libc::write(file, bytes.as_ptr().cast(), bytes.len());
        libc::close(file);
        if written < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
