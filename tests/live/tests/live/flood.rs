//! Connections that always have more to say keep nobody else from being heard.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use anyhow::Result;

use crate::support::Home;

/// More than the event loop takes between two looks at the clock.
const FLOODS: usize = 24;
/// How long anything may take here.
const BOUND: Duration = Duration::from_secs(30);

#[test]
fn floods_of_requests_keep_neither_new_connections_nor_a_signal_waiting() -> Result<()> {
    // A turn ended after a millisecond, and the next one began with the same connections: the rest were never served.
    let home = Home::new()?;
    let mut server = home.server()?.start()?;
    let requests = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n".repeat(4_000);
    let floods: Vec<TcpStream> =
        (0..FLOODS).map(|_| TcpStream::connect(server.address())).collect::<std::io::Result<_>>()?;
    std::thread::scope(|scope| -> Result<()> {
        for flood in &floods {
            let (mut to, mut from) = (flood, flood);
            let requests = &requests;
            scope.spawn(move || while to.write_all(requests).is_ok() {});
            scope.spawn(move || {
                let mut replies = vec![0; 1 << 16];
                while from.read(&mut replies).is_ok_and(|n| n > 0) {}
            });
        }
        // As long as the floods last, which is until this has been answered, and the server has been told to end.
        let heard = (|| {
            let mut client = server.client()?;
            client.set_timeout(BOUND)?;
            for _ in 0..20 {
                client.expect(&["PING"])?;
            }
            server.terminate(BOUND).map(drop)
        })();
        floods.iter().for_each(|flood| drop(flood.shutdown(Shutdown::Both)));
        heard
    })
}
