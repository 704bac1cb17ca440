//! What is the shortest way to the end of an answer that has to be JSON of a given form?
//!
//! A second parser reads the answer byte by byte. From where it is, the byte that leads to the end soonest is taken,
//! over and over: close what is open, else the shortest value. Choices are not taken back, so that the rest is short,
//! though not always the shortest there is.

use llguidance::Matcher;

/// Bytes after which no end is looked for any more.
pub(super) const MOST_BYTES: usize = 1 << 14;

/// What is taken first outside of texts: `}` and `]` close, a number ends where it may, and a new value is a text, a
/// number or a word before it is something that could hold others. Inside of a text, `"` closes it.
const ORDER: &[u8] = b"}]\"0123456789ntf[{,-: ";

/// An answer and its way to the end.
pub(super) struct Landing {
    parser: Matcher,
    place: Place,
    /// What was said since the parser read last.
    unread: Vec<u8>,
    plan: Option<Vec<u8>>,
}

/// Where in the JSON one is.
#[derive(Debug, Clone, Copy, Default)]
struct Place {
    is_text: bool,
    is_escaped: bool,
}

impl Landing {
    /// `parser` has the 256 bytes for tokens, and is at the beginning.
    pub(super) fn new(parser: Matcher) -> Self {
        Self { parser, place: Place::default(), unread: Vec::new(), plan: None }
    }

    /// The answer goes on.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.unread.extend_from_slice(bytes);
        self.plan = self.plan.take().and_then(|plan| plan.strip_prefix(bytes).map(<[u8]>::to_vec));
    }

    /// What would make the answer whole; `None` where no end is found.
    pub(super) fn plan(&mut self) -> Option<&[u8]> {
        if self.plan.is_none() {
            self.unread.iter().for_each(|byte| self.place.pass(*byte));
            let unread: Vec<u32> = self.unread.drain(..).map(u32::from).collect();
            self.parser.consume_tokens(&unread).ok()?;
            self.plan = shortest(self.parser.clone(), self.place);
        }
        self.plan.as_deref()
    }
}

fn shortest(mut parser: Matcher, mut place: Place) -> Option<Vec<u8>> {
    let mut plan = Vec::new();
    let mut uses = [0_u32; 256];
    while !(parser.is_stopped() || parser.is_accepting().ok()?) {
        if plan.len() >= MOST_BYTES {
            return None;
        }
        let allowed = parser.compute_mask().ok()?;
        let next = next(|byte| allowed.get(byte as usize), place, &uses)?;
        place.pass(next);
        uses[next as usize] += 1;
        parser.consume_token(next.into()).ok()?;
        plan.push(next);
    }
    (!parser.is_error()).then_some(plan)
}

impl Place {
    fn pass(&mut self, byte: u8) {
        let was_escaped = std::mem::take(&mut self.is_escaped);
        match byte {
            b'"' if !was_escaped => self.is_text = !self.is_text,
            b'\\' if self.is_text && !was_escaped => self.is_escaped = true,
            _ => {}
        }
    }
}

/// The best byte in [`ORDER`]; where there is none, the least used one, so that a pattern is not gone round for ever.
fn next(allowed: impl Fn(u8) -> bool, place: Place, uses: &[u32; 256]) -> Option<u8> {
    let order: &[u8] = if place.is_text { b"\"" } else { ORDER };
    let best = order.iter().copied().find(|&byte| allowed(byte));
    let rank = |byte: &u8| (uses[*byte as usize], !byte.is_ascii_alphanumeric());
    best.or_else(|| (0..=255).filter(|&byte| allowed(byte)).min_by_key(rank))
}
