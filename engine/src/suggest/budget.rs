//! What goes into the window? The pieces that are worth most by the token.

use super::prompt::Piece;

/// What was taken, and what was not.
#[derive(Debug, Default)]
pub(super) struct Fitted {
    /// The pieces that fit, in the order they were given.
    pub(super) taken: Vec<Piece>,
    /// How many did not.
    pub(super) left: usize,
}

/// Takes pieces into `room` tokens, the one worth most by the token first. `count` tells a piece's tokens.
///
/// Greedy by density is at most one piece short of the best choice (the fractional knapsack bound: Dantzig, 1957), and
/// pieces are small against the window.
pub(super) fn fit(pieces: Vec<Piece>, room: usize, count: &dyn Fn(&Piece) -> usize) -> Fitted {
    let tokens: Vec<usize> = pieces.iter().map(|piece| count(piece).max(1)).collect();
    let mut order: Vec<usize> = (0..pieces.len()).collect();
    let density = |at: usize| f64::from(pieces[at].value) / tokens[at] as f64;
    order.sort_by(|&a, &b| density(b).total_cmp(&density(a)).then(a.cmp(&b)));
    let mut takes = vec![false; pieces.len()];
    let mut left_room = room;
    for at in order {
        if pieces[at].value > 0.0 && tokens[at] <= left_room {
            left_room -= tokens[at];
            takes[at] = true;
        }
    }
    let left = takes.iter().filter(|&&taken| !taken).count();
    let taken = pieces.into_iter().zip(takes).filter(|(_, taken)| *taken).map(|(piece, _)| piece).collect();
    Fitted { taken, left }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suggest::prompt::Kind;

    fn piece(text: &str, value: f32) -> Piece {
        Piece { kind: Kind::Definition, title: String::new(), text: text.into(), value }
    }

    #[test]
    fn what_is_worth_more_by_the_token_comes_first() {
        let pieces = vec![piece("aaaaaaaaaa", 1.0), piece("bbb", 0.9), piece("cccc", 0.8), piece("d", 0.0)];
        let fitted = fit(pieces, 8, &|piece| piece.text.len());
        let taken: Vec<&str> = fitted.taken.iter().map(|piece| &*piece.text).collect();
        assert_eq!((taken, fitted.left), (vec!["bbb", "cccc"], 2));
    }
}
