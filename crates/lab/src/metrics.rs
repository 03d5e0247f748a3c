//! A scraper of the driver's metrics: fetches pages, and refuses text that Prometheus' own parsers would refuse or misread.
//!
//! Answers for: finding where a driver shows them, and the form of the text. Doesn't answer for: what the figures should be.

mod exposition;

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

pub use exposition::Exposition;

/// A page as a client gets it.
#[derive(Debug)]
pub struct Page {
    /// The HTTP status.
    pub status: u16,
    /// Status line and headers.
    pub head: String,
    /// The rest.
    pub body: String,
}

/// Where a driver shows its metrics: at a port that the kernel chose (`--http-endpoint 127.0.0.1:0`), as its log in the text
/// form tells; the last time if it was started more than once.
pub fn address(log: &Path) -> Result<SocketAddr> {
    let text = fs::read_to_string(log)?;
    let (_, rest) = text
        .rsplit_once("http.endpoint=")
        .context("the log names no http.endpoint")?;
    let address = rest.split_whitespace().next().unwrap_or_default();
    Ok(address.parse()?)
}

/// Asks for a page, e.g. `GET /metrics`; each of the headers ends in a line break.
pub async fn ask(address: SocketAddr, request: &str, headers: &str) -> Result<Page> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("{request} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .with_context(|| format!("no whole page: {answer:?}"))?;
    let status = head.split(' ').nth(1).unwrap_or_default();
    Ok(Page {
        status: status.parse()?,
        head: head.to_owned(),
        body: body.to_owned(),
    })
}

/// Scrapes as Prometheus does.
pub async fn scrape(address: SocketAddr) -> Result<Exposition> {
    let accept = "Accept: application/openmetrics-text;version=1.0.0,text/plain;q=0.5\r\n";
    let page = ask(address, "GET /metrics", accept).await?;
    let right = page.status == 200 && page.head.contains("application/openmetrics-text");
    ensure!(right, "{page:?}");
    Exposition::open_metrics(&page.body)
}
