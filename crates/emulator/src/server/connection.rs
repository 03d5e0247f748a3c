//! One connection: HTTP/1.1 until the peer leaves, the emulator stops, or a fault resets it.

use std::future::poll_fn;
use std::sync::Arc;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::{Front, Reset};

/// Serves the connection to its end.
pub(super) async fn serve(stream: TcpStream, front: Arc<Front>, stop: CancellationToken) {
    // Small replies must not wait for the peer's acknowledgement of the one before.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| {
        let front = Arc::clone(&front);
        Box::pin(async move { front.answer(request).await })
    });
    let mut connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    let ended = tokio::select! {
        ended = poll_fn(|cx| connection.poll_without_shutdown(cx)) => ended,
        () = stop.cancelled() => Ok(()),
    };
    let stream = connection.into_parts().io.into_inner();
    let on_purpose = ended.err().is_some_and(|error| is_reset(&error));
    if on_purpose {
        // Closing now sends RST rather than FIN, as a peer that crashed would.
        let _ = stream.set_zero_linger();
    }
    drop(stream);
}

fn is_reset(error: &hyper::Error) -> bool {
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        if error.is::<Reset>() {
            return true;
        }
        source = error.source();
    }
    false
}
