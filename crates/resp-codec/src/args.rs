//! The arguments of one request, borrowed from the buffer it arrived in or owned while it waits in a MULTI queue.
//!
//! Invariant: every span lies inside `bytes`, so that access by index cannot fail for `i < len()`.

/// Where one argument lies, as byte offsets relative to the first byte of its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArgSpan {
    /// First byte of the argument.
    pub start: u32,
    /// One past its last byte.
    pub end: u32,
}

/// The arguments of one request: spans over its bytes. `Copy`: two slices and a flag.
#[derive(Clone, Copy)]
pub struct Args<'a> {
    bytes: &'a [u8],
    spans: &'a [ArgSpan],
    canonical: bool,
}

impl<'a> Args<'a> {
    /// Wraps the spans of a request. `canonical` says that `bytes` is exactly one multibulk request in the form the AOF
    /// uses (`*argc`, `$len`, each line ended by CRLF, numbers without leading zeros), so that it may be fed verbatim.
    ///
    /// # Panics
    /// If a span does not lie inside `bytes`, or if there is none.
    pub fn new(bytes: &'a [u8], spans: &'a [ArgSpan], canonical: bool) -> Self {
        assert!(!spans.is_empty(), "a request has at least its name");
        assert!(
            spans.iter().all(|s| s.start <= s.end && s.end as usize <= bytes.len()),
            "spans lie inside the request"
        );
        Self { bytes, spans, canonical }
    }

    /// As `new`, for spans that the decoder has just made and checked.
    #[inline]
    pub(crate) fn from_decoder(bytes: &'a [u8], spans: &'a [ArgSpan], canonical: bool) -> Self {
        debug_assert!(!spans.is_empty() && spans.iter().all(|s| s.start <= s.end && s.end as usize <= bytes.len()));
        Self { bytes, spans, canonical }
    }

    /// The number of arguments, the command's name included. At least 1.
    #[inline]
    #[allow(clippy::len_without_is_empty, reason = "a request is never empty")]
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// The command's name as the client spelled it.
    #[inline]
    pub fn name(&self) -> &'a [u8] {
        self.at(0)
    }

    /// The `i`-th argument; the name is number 0.
    ///
    /// # Panics
    /// If `i >= len()`: arity was checked before.
    #[inline]
    pub fn at(&self, i: usize) -> &'a [u8] {
        let span = self.spans[i];
        &self.bytes[span.start as usize..span.end as usize]
    }

    /// The `i`-th argument, if there is one.
    #[inline]
    pub fn get(&self, i: usize) -> Option<&'a [u8]> {
        (i < self.spans.len()).then(|| self.at(i))
    }

    /// All arguments from number `from` on.
    pub fn from(&self, from: usize) -> impl ExactSizeIterator<Item = &'a [u8]> + DoubleEndedIterator + Clone + use<'a> {
        let bytes = self.bytes;
        self.spans[from.min(self.spans.len())..].iter().map(move |s| &bytes[s.start as usize..s.end as usize])
    }

    /// The request's own bytes, if they are one canonical multibulk request and may be fed as they stand.
    pub fn verbatim(&self) -> Option<&'a [u8]> {
        self.canonical.then_some(self.bytes)
    }

    /// Copies the request, for a queue that outlives the buffer.
    pub fn to_owned(&self) -> OwnedArgs {
        OwnedArgs { bytes: self.bytes.into(), spans: self.spans.into(), canonical: self.canonical }
    }
}

impl std::fmt::Debug for Args<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.from(0).map(|arg| arg.escape_ascii().to_string())).finish()
    }
}

/// A request that owns its bytes, as a MULTI queue keeps it.
#[derive(Clone, Debug)]
pub struct OwnedArgs {
    bytes: Box<[u8]>,
    spans: Box<[ArgSpan]>,
    canonical: bool,
}

impl OwnedArgs {
    /// The request, borrowed.
    pub fn args(&self) -> Args<'_> {
        Args { bytes: &self.bytes, spans: &self.spans, canonical: self.canonical }
    }

    /// The bytes it holds, for limits on queued memory.
    pub fn size_bytes(&self) -> usize {
        self.bytes.len() + self.spans.len() * size_of::<ArgSpan>()
    }
}
