//! The real machine: loopback TCP, TLS, files.

use std::{net::Ipv4Addr, path::Path, time::Duration};

use axum::{Router, routing};
use bytes::Bytes;
use http::Request;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use transport::{
    DatabaseError, Host,
    database::migrate,
    http::{Address, Client, ClientLimits, RequestError, ServerLimits, serve},
    real::{RealConfig, TlsConfig, host},
};

fn config(tls: Option<TlsConfig>) -> RealConfig {
    RealConfig { bind: Some(Ipv4Addr::LOCALHOST.into()), tls, ..RealConfig::default() }
}

async fn ask(host: &Host, name: &str) -> Result<Bytes, RequestError> {
    let router = Router::new().route("/", routing::get(|| async { "yes" }));
    let port = serve(host, 0, router, ServerLimits::default()).await.expect("a port is free");
    let address = Address { name: name.to_owned(), port };
    let request = Request::get("/").body(Bytes::new()).expect("this is a request");
    let client = Client::new(host, ClientLimits::default());
    Ok(client.send(&address, request, Duration::from_secs(20)).await?.into_body())
}

/// A certificate for `localhost`, its own authority.
fn tls(directory: &Path) -> TlsConfig {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate is made");
    let certificate = directory.join("certificate.pem");
    let private_key = directory.join("key.pem");
    std::fs::write(&certificate, cert.pem()).expect("the directory is writable");
    std::fs::write(&private_key, signing_key.serialize_pem()).expect("the directory is writable");
    tls_of(directory)
}

/// The files that were written there.
fn tls_of(directory: &Path) -> TlsConfig {
    let certificate = directory.join("certificate.pem");
    let (private_key, authorities) = (directory.join("key.pem"), certificate.clone());
    TlsConfig { certificate, private_key, authorities, plain_ports: Vec::new() }
}

#[tokio::test]
async fn a_request_crosses_loopback() {
    let directory = tempfile::tempdir().unwrap();
    let host = host(directory.path(), &config(None)).unwrap();
    assert_eq!(ask(&host, "127.0.0.1").await.unwrap(), "yes");
}

#[tokio::test]
async fn a_request_crosses_tls() {
    let directory = tempfile::tempdir().unwrap();
    let host = host(directory.path(), &config(Some(tls(directory.path())))).unwrap();
    assert_eq!(ask(&host, "localhost").await.unwrap(), "yes");
}

#[tokio::test]
async fn a_port_that_is_plain_here_is_called_with_tls_elsewhere() {
    let directory = tempfile::tempdir().unwrap();
    let encrypted = host(directory.path(), &config(Some(tls(directory.path())))).unwrap();
    let router = Router::new().route("/", routing::get(|| async { "yes" }));
    let port = serve(&encrypted, 0, router, ServerLimits::default()).await.unwrap();
    let tls = TlsConfig { plain_ports: vec![port], ..tls_of(directory.path()) };
    let caller = host(directory.path(), &config(Some(tls))).unwrap();
    let address = Address { name: "localhost".to_owned(), port };
    let request = Request::get("/").body(Bytes::new()).unwrap();
    let client = Client::new(&caller, ClientLimits::default());
    let answer = client.send(&address, request, Duration::from_secs(20)).await;
    assert_eq!(answer.unwrap().into_body(), "yes");
}

#[tokio::test]
async fn silent_handshakes_keep_nobody_out() {
    let directory = tempfile::tempdir().unwrap();
    let host = host(directory.path(), &config(Some(tls(directory.path())))).unwrap();
    let router = Router::new().route("/", routing::get(|| async { "yes" }));
    let port = serve(&host, 0, router, ServerLimits::default()).await.unwrap();
    let mut silent = Vec::new();
    for _ in 0..200 {
        silent.push(tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap());
    }
    let address = Address { name: "localhost".to_owned(), port };
    let request = Request::get("/").body(Bytes::new()).unwrap();
    let client = Client::new(&host, ClientLimits::default());
    let answer = client.send(&address, request, Duration::from_secs(4)).await;
    assert_eq!(answer.unwrap().into_body(), "yes");
}

#[tokio::test]
async fn what_is_computed_holds_up_no_task() {
    let directory = tempfile::tempdir().unwrap();
    let host = host(directory.path(), &config(None)).unwrap();
    let (sender, receiver) = std::sync::mpsc::channel();
    // On the one thread of this runtime, nobody could send what is waited for here.
    let computing = host.compute(move || receiver.recv_timeout(Duration::from_secs(20)).unwrap());
    let telling = async move { sender.send(7).unwrap() };
    let (computed, ()) = tokio::join!(computing, telling);
    assert_eq!(computed, Some(7));
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let host = host(directory.path(), &config(Some(tls(directory.path())))).unwrap();
    let error = ask(&host, "127.0.0.1").await.unwrap_err();
    assert!(
        matches!(&error, RequestError::Connect { reason, .. } if reason.contains("certificate"))
    );
}

#[tokio::test]
async fn a_missing_certificate_names_its_file() {
    let directory = tempfile::tempdir().unwrap();
    let mut tls = tls(directory.path());
    tls.certificate = directory.path().join("nowhere.pem");
    let error = host(directory.path(), &config(Some(tls))).unwrap_err();
    assert!(error.to_string().contains("nowhere.pem"), "{error}");
}

#[tokio::test]
async fn what_was_committed_is_there_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let host = host(directory.path(), &config(None)).unwrap();
    let database = host.open("node").await.unwrap();
    let write = |transaction: &transport::Transaction<'_>| {
        Ok::<_, DatabaseError>(
            transaction.execute_batch("CREATE TABLE t (n); INSERT INTO t VALUES (7)")?,
        )
    };
    database.transaction(write).await.unwrap();
    drop(database);
    let again = host.open("node").await.unwrap();
    let read = |connection: &mut rusqlite::Connection| {
        let n: i64 = connection.query_row("SELECT n FROM t", [], |row| row.get(0))?;
        Ok::<_, DatabaseError>(n)
    };
    assert_eq!(again.call(read).await.unwrap(), 7);
}

#[tokio::test]
async fn a_commit_is_synced_to_a_write_ahead_log() {
    let directory = tempfile::tempdir().unwrap();
    let host = host(directory.path(), &config(None)).unwrap();
    let database = host.open("node").await.unwrap();
    let read = |connection: &mut rusqlite::Connection| {
        let mode: String = connection.query_row("PRAGMA journal_mode", [], |row| row.get(0))?;
        let full: i64 = connection.query_row("PRAGMA synchronous", [], |row| row.get(0))?;
        let keys: i64 = connection.query_row("PRAGMA foreign_keys", [], |row| row.get(0))?;
        Ok::<_, DatabaseError>((mode, full, keys))
    };
    assert_eq!(database.call(read).await.unwrap(), ("wal".to_owned(), 2, 1));
}

#[tokio::test]
async fn a_disk_that_cannot_be_written_is_disk_trouble() {
    let directory = tempfile::tempdir().unwrap();
    let host = host(directory.path(), &config(None)).unwrap();
    let error = host.open("no/such/folder").await.unwrap_err();
    assert!(error.is_disk_trouble(), "{error}");
}

#[tokio::test]
async fn a_job_that_panics_fails_its_caller_and_nobody_else() {
    let directory = tempfile::tempdir().unwrap();
    let host = host(directory.path(), &config(None)).unwrap();
    let database = host.open("test").await.unwrap();
    migrate(&database, "c", &["CREATE TABLE t (n INTEGER) STRICT"]).await.unwrap();
    let broken = database.transaction(|transaction| -> Result<(), DatabaseError> {
        transaction.execute_batch("INSERT INTO t VALUES (1)")?;
        panic!("a bug")
    });
    assert!(matches!(broken.await, Err(DatabaseError::Panicked)));
    let rows = database.transaction(|transaction| -> Result<u32, DatabaseError> {
        Ok(transaction.query_row("SELECT count(*) FROM t", [], |row| row.get(0))?)
    });
    assert_eq!(rows.await.unwrap(), 0);
}
