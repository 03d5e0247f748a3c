//! Binds the endpoint. A socket file is for the process' own user alone. One that a killed process left behind is taken over; one that
//! somebody serves is not.

use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use nix::sys::stat::{Mode, fchmod};
use tokio::net::{TcpListener, UnixListener, UnixSocket, UnixStream};

use super::Endpoint;

/// The longest path of a unix socket, in bytes: `sun_path` of unix(7) without its last NUL.
const MOST_PATH_BYTES: usize = 107;

/// A bound endpoint.
pub(crate) enum Listener {
    /// A unix socket and its file.
    Unix {
        /// The socket.
        socket: UnixListener,
        /// Its file, removed when dropped.
        file: SocketFile,
    },
    /// A TCP socket.
    Tcp(TcpListener),
}

/// Why an endpoint could not be bound.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BindError {
    /// The socket's directory is missing.
    #[error("cannot listen on unix://{}: its directory {} does not exist: create or mount it", .path.display(), .directory.display())]
    NoDirectory {
        /// The socket.
        path: PathBuf,
        /// Its directory.
        directory: PathBuf,
    },
    /// The kernel has no room for such a path in a socket's address (unix(7)).
    #[error("cannot listen on unix://{}: the path is longer than {MOST_PATH_BYTES} bytes: choose a shorter one", .path.display())]
    TooLong {
        /// The path.
        path: PathBuf,
    },
    /// There is something else than a socket.
    #[error("cannot listen on unix://{}: there is something that is not a socket: remove it or choose another path", .path.display())]
    NotASocket {
        /// The path.
        path: PathBuf,
    },
    /// Another process listens.
    #[error("cannot listen on unix://{}: another process does: stop it or choose another path", .path.display())]
    InUse {
        /// The socket.
        path: PathBuf,
    },
    /// The kernel refused otherwise.
    #[error("cannot listen on unix://{}", .path.display())]
    Unix {
        /// The socket.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The kernel refused the TCP address.
    #[error("cannot listen on tcp://{address}")]
    Tcp {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
}

impl Listener {
    /// Binds and listens: from here on connections queue up.
    pub(crate) async fn bind(endpoint: &Endpoint) -> Result<Self, BindError> {
        match endpoint {
            Endpoint::Unix(path) => bind_unix(path).await,
            Endpoint::Tcp(address) => match TcpListener::bind(address).await {
                Ok(socket) => Ok(Self::Tcp(socket)),
                Err(source) => Err(BindError::Tcp {
                    address: *address,
                    source,
                }),
            },
        }
    }
}

async fn bind_unix(path: &Path) -> Result<Listener, BindError> {
    let failed = |source| BindError::Unix {
        path: path.to_owned(),
        source,
    };
    if path.as_os_str().len() > MOST_PATH_BYTES {
        return Err(BindError::TooLong {
            path: path.to_owned(),
        });
    }
    let directory = path.parent().unwrap_or(Path::new("/"));
    if !directory.is_dir() {
        return Err(BindError::NoDirectory {
            path: path.to_owned(),
            directory: directory.to_owned(),
        });
    }
    remove_stale(path).await?;
    let socket = bind_private(path).map_err(failed)?;
    let file = SocketFile::new(path).map_err(failed)?;
    Ok(Listener::Unix { socket, file })
}

/// Whoever can open the socket controls every volume: its file is for this user alone from the moment it exists, because the kernel
/// takes the file's permissions from the unbound socket (unix(7), fchmod(2)).
fn bind_private(path: &Path) -> io::Result<UnixListener> {
    const BACKLOG: u32 = 1024;
    let socket = UnixSocket::new_stream()?;
    fchmod(&socket, Mode::S_IRUSR | Mode::S_IWUSR)?;
    socket.bind(path)?;
    socket.listen(BACKLOG)
}

/// Removes a socket file that nobody listens on.
async fn remove_stale(path: &Path) -> Result<(), BindError> {
    let failed = |source| BindError::Unix {
        path: path.to_owned(),
        source,
    };
    let kind = match std::fs::symlink_metadata(path) {
        Ok(found) => found.file_type(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
    };
    if !kind.is_socket() {
        return Err(BindError::NotASocket {
            path: path.to_owned(),
        });
    }
    match UnixStream::connect(path).await {
        Ok(_listening) => Err(BindError::InUse {
            path: path.to_owned(),
        }),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            tracing::info!(socket = %path.display(), "removing a stale socket");
            std::fs::remove_file(path).map_err(failed)
        }
        Err(error) => Err(failed(error)),
    }
}

/// The file of a bound unix socket, removed when dropped, unless the path has come to name another file.
pub(crate) struct SocketFile {
    path: PathBuf,
    id: (u64, u64),
}

impl SocketFile {
    fn new(path: &Path) -> io::Result<Self> {
        Ok(Self {
            path: path.to_owned(),
            id: file_id(path)?,
        })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let ours = file_id(&self.path).is_ok_and(|id| id == self.id);
        if ours && let Err(error) = std::fs::remove_file(&self.path) {
            tracing::warn!(socket = %self.path.display(), %error, "the socket could not be removed");
        }
    }
}

fn file_id(path: &Path) -> io::Result<(u64, u64)> {
    let found = std::fs::symlink_metadata(path)?;
    Ok((found.dev(), found.ino()))
}
