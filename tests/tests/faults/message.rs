//! Messages of HTTP/1.1 as they are on the wire: what a proxy needs of them, and no more.

use std::io;

use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt};

/// The header that says how long the body is; [`Message::bytes`] writes the true one.
const LENGTH: &str = "content-length";

/// A request or a reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    /// Its first line.
    pub(crate) start: String,
    /// Header names, in lower case, and values; without the body's length.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Message {
    /// A reply.
    pub(crate) fn reply(status: &str, media_type: &str, body: impl Into<Vec<u8>>) -> Self {
        let headers = vec![("content-type".to_owned(), media_type.to_owned())];
        Self { start: format!("HTTP/1.1 {status}"), headers, body: body.into() }
    }

    /// The next message of a connection; `None` when it is closed before one begins.
    pub(crate) async fn read(connection: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Option<Self>> {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            let ended = connection.read_line(&mut line).await? == 0;
            match line.trim_end() {
                "" if ended && lines.is_empty() => return Ok(None),
                "" if ended => return Err(io::ErrorKind::UnexpectedEof.into()),
                "" => break,
                line => lines.push(line.to_owned()),
            }
        }
        let headers = lines[1..].iter().filter_map(|line| line.split_once(':'));
        let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()));
        let (length, headers): (Vec<_>, Vec<_>) = headers.partition(|(name, _)| name == LENGTH);
        let length = length.first().map_or(Ok(0), |(_, length)| length.parse());
        let mut body = vec![0; length.map_err(io::Error::other)?];
        connection.read_exact(&mut body).await?;
        Ok(Some(Self { start: lines.swap_remove(0), headers, body }))
    }

    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    }

    /// Everything before the body, which is said to be this long.
    pub(crate) fn head(&self, length: usize) -> Vec<u8> {
        let mut head = format!("{}\r\n", self.start);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str(&format!("{LENGTH}: {length}\r\n\r\n"));
        head.into_bytes()
    }

    /// The whole message.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        [self.head(self.body.len()), self.body.clone()].concat()
    }
}
