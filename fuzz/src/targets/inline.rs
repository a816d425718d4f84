//! Inline requests: words, put in quotes, are read back as they were; a line is read as `split` splits it, alone and between
//! other requests, and in any cuts.

use resp_codec::{Limits, inline};

use super::resp::read;

pub(crate) fn run(input: &[u8]) {
    let line: Vec<u8> = input.iter().map(|byte| if *byte == b'\n' { b' ' } else { *byte }).collect();
    let words = inline::split(&line);
    if let Some(words) = &words {
        let quoted = quoted(words);
        assert_eq!(inline::split(&quoted).as_ref(), Some(words), "{}", quoted.escape_ascii());
        if !words.is_empty() {
            let mut request = quoted;
            request.extend_from_slice(b"\r\n");
            let (requests, error) = read(&request, Limits::DEFAULT, usize::MAX);
            assert_eq!((requests.as_slice(), error), ([Some(words.clone())].as_slice(), None));
        }
    }
    if line.first() == Some(&b'*') {
        return;
    }
    let mut request = line.clone();
    request.extend_from_slice(b"\r\n*1\r\n$4\r\nPING\r\n");
    let (requests, error) = read(&request, Limits::DEFAULT, usize::MAX);
    assert_eq!(error.is_some(), words.is_none(), "{error:?}");
    if let Some(words) = words {
        let first = Some(words).filter(|words| !words.is_empty());
        assert_eq!(requests, [first, Some(vec![b"PING".to_vec()])]);
    }
    assert_eq!(read(&request, Limits::DEFAULT, 3), (requests, error), "in cuts");
}

/// A line of these words, every byte of them escaped that could mean anything.
fn quoted(words: &[Vec<u8>]) -> Vec<u8> {
    let mut line = Vec::new();
    for word in words {
        line.extend_from_slice(b" \"");
        for byte in word {
            match byte {
                b'a'..=b'z' | b'0'..=b'9' => line.push(*byte),
                b'"' | b'\\' => line.extend_from_slice(&[b'\\', *byte]),
                byte => line.extend_from_slice(format!("\\x{byte:02X}").as_bytes()),
            }
        }
        line.push(b'"');
    }
    line
}
