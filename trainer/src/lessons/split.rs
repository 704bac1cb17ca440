//! Which answers are learned from, and which are kept to examine by? Repetitions go, the newest are held out, and what is
//! alike is never on both sides.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::candidate::Candidate;

/// Code this like other code is the same.
const ALIKE: f64 = 0.9;
/// Values of a signature in one band.
const ROWS: usize = 8;
/// As many of those that share a band are compared.
const COMPARED: usize = 8;

/// On which side something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Side {
    /// Learned from.
    Train,
    /// Examined by.
    Valid,
}

impl Side {
    pub(super) const ALL: [Self; 2] = [Self::Train, Self::Valid];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Valid => "valid",
        }
    }
}

/// What is held out.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Terms {
    /// The share of each project's answers, 0 to 1, the newest.
    pub(super) share: f64,
    /// Projects of which everything is.
    pub(super) projects: BTreeSet<String>,
    /// The most answers of one person about one rule.
    pub(super) most_of_one: usize,
}

/// The side of each candidate, or why it is left out.
pub(super) fn split(candidates: &[Candidate], terms: &Terms) -> Vec<Result<Side, &'static str>> {
    let mut sides = vec![Ok(Side::Train); candidates.len()];
    let mut order: Vec<usize> = (0..candidates.len()).collect();
    // The newest answer of several stands; equal times by place.
    order.sort_by_key(|&at| candidates.get(at).map(|one| (std::cmp::Reverse(one.at), at)));
    cap(candidates, &order, terms.most_of_one, &mut sides);
    let mut near = Near::new(candidates.len());
    for &at in &order {
        if let (Some(one), Some(side @ Ok(_))) = (candidates.get(at), sides.get_mut(at))
            && near.take(at, one, candidates)
        {
            *side = Err("repeats another answer");
        }
    }
    hold_out(candidates, &mut near, terms, &mut sides);
    sides
}

/// Leaves out what one person said too often about one rule, the oldest first.
fn cap(candidates: &[Candidate], order: &[usize], most: usize, sides: &mut [Result<Side, &'static str>]) {
    let mut said: HashMap<(u64, &str), usize> = HashMap::new();
    for &at in order {
        let Some(one) = candidates.get(at).filter(|one| !one.people.is_empty()) else { continue };
        let mut is_heard = false;
        for who in &one.people {
            let count = said.entry((*who, &one.rule)).or_default();
            is_heard |= *count < most;
            *count += 1;
        }
        if let (false, Some(side)) = (is_heard, sides.get_mut(at)) {
            *side = Err("one person said it too often about one rule");
        }
    }
}

/// What is alike, by the bands of signatures; and which sets of candidates hang together.
struct Near {
    bands: HashMap<u64, Vec<usize>>,
    /// The first of those about the very same code.
    codes: HashMap<u64, usize>,
    parents: Vec<usize>,
    taken: Vec<usize>,
}

impl Near {
    fn new(many: usize) -> Self {
        Self { bands: HashMap::new(), codes: HashMap::new(), parents: (0..many).collect(), taken: Vec::new() }
    }

    /// Takes one in, unless it repeats another.
    fn take(&mut self, at: usize, one: &Candidate, all: &[Candidate]) -> bool {
        let mut alike: Vec<usize> = Vec::new();
        for band in one.signature.bands(ROWS) {
            let others = self.bands.get(&band).into_iter().flatten();
            let is_new = |other: &&usize| !alike.contains(other);
            let found: Vec<usize> = others.filter(is_new).copied().collect();
            alike.extend(found.into_iter().filter(|&other| {
                all.get(other).is_some_and(|other| other.signature.similarity(&one.signature) >= ALIKE)
            }));
        }
        alike.extend(self.codes.get(&one.code));
        if alike.iter().filter_map(|&other| all.get(other)).any(|other| other.gist == one.gist) {
            return true;
        }
        for band in one.signature.bands(ROWS) {
            let others = self.bands.entry(band).or_default();
            if others.len() < COMPARED {
                others.push(at);
            }
        }
        self.codes.entry(one.code).or_insert(at);
        for other in alike {
            self.join(at, other);
        }
        self.taken.push(at);
        false
    }

    fn root(&mut self, mut at: usize) -> usize {
        while let Some(&parent) = self.parents.get(at).filter(|&&parent| parent != at) {
            let above = self.parents.get(parent).copied().unwrap_or(parent);
            if let Some(own) = self.parents.get_mut(at) {
                *own = above;
            }
            at = parent;
        }
        at
    }

    fn join(&mut self, one: usize, other: usize) {
        let (one, other) = (self.root(one), self.root(other));
        if let Some(parent) = self.parents.get_mut(one.max(other)) {
            *parent = one.min(other);
        }
    }
}

/// Of each project the newest sets of what hangs together, as many as the share asks for.
fn hold_out(candidates: &[Candidate], near: &mut Near, terms: &Terms, sides: &mut [Result<Side, &'static str>]) {
    let mut sets: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for at in near.taken.clone() {
        sets.entry(near.root(at)).or_default().push(at);
    }
    // Taken in order of time, so the first of a set is its newest.
    let mut by_project: BTreeMap<&str, Vec<(i64, Vec<usize>)>> = BTreeMap::new();
    let mut held: Vec<usize> = Vec::new();
    for (_, set) in sets {
        let of = |at: &usize| candidates.get(*at);
        let Some(newest) = set.first().and_then(of) else { continue };
        if set.iter().filter_map(of).any(|one| terms.projects.contains(&one.project)) {
            held.extend(set);
        } else {
            by_project.entry(&newest.project).or_default().push((newest.at, set));
        }
    }
    for (_, mut sets) in by_project {
        let all: usize = sets.iter().map(|(_, set)| set.len()).sum();
        let wanted = (all as f64 * terms.share).round() as usize;
        sets.sort_by_key(|(at, set)| (std::cmp::Reverse(*at), set.first().copied()));
        let mut left = wanted;
        for (_, set) in sets {
            if left == 0 {
                break;
            }
            left = left.saturating_sub(set.len());
            held.extend(set);
        }
    }
    for at in held {
        if let Some(side) = sides.get_mut(at) {
            *side = Ok(Side::Valid);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::candidate::{From, key, signature},
        *,
    };

    fn one(project: &str, at: i64, gist: &str, code: &str) -> Candidate {
        Candidate {
            input: 0,
            at,
            project: project.into(),
            language: "python".into(),
            rule: "x/y".into(),
            people: vec![at as u64 % 3],
            code: key(&[code]),
            gist: key(&[gist]),
            signature: signature(code),
            from: From::Line(1),
        }
    }

    fn terms() -> Terms {
        Terms { share: 0.2, projects: BTreeSet::new(), most_of_one: 100 }
    }

    /// Forty words that no two have in common.
    fn words(seed: usize) -> String {
        (0..40).map(|word| format!("w{seed}x{word} ")).collect()
    }

    #[test]
    fn the_newest_of_each_project_are_held_out() {
        let all: Vec<Candidate> =
            (0..40).map(|n| one(["a", "b"][n % 2], n as i64, &n.to_string(), &words(n))).collect();
        let sides = split(&all, &terms());
        let held: Vec<usize> = (0..40).filter(|&at| sides[at] == Ok(Side::Valid)).collect();
        assert_eq!(held, (32..40).collect::<Vec<_>>());
        let apart = Terms { projects: ["b".to_owned()].into(), ..terms() };
        let sides = split(&all, &apart);
        assert!((0..40).filter(|n| n % 2 == 1).all(|n| sides[n] == Ok(Side::Valid)));
        assert_eq!(sides.iter().filter(|side| **side == Ok(Side::Valid)).count(), 24);
    }

    #[test]
    fn what_is_alike_is_on_one_side_and_repetitions_go() {
        let mut all: Vec<Candidate> = (0..40).map(|n| one("a", n as i64, &n.to_string(), &words(n))).collect();
        // An old one with other findings in nearly the same code as the newest, and a repetition of another.
        all.push(one("a", -5, "other", &format!("{} more", words(39))));
        all.push(one("a", 100, "7", &format!("{}  ", words(7))));
        let sides = split(&all, &terms());
        assert_eq!((sides[40], sides[39]), (Ok(Side::Valid), Ok(Side::Valid)));
        assert_eq!((sides[41], sides[7]), (Ok(Side::Valid), Err("repeats another answer")), "the newer stands");
    }

    #[test]
    fn one_person_teaches_so_much_of_one_rule_and_no_more() {
        let mut all: Vec<Candidate> = (0..30).map(|n| one("a", n as i64, &n.to_string(), &words(n))).collect();
        let sides = split(&all, &Terms { most_of_one: 4, ..terms() });
        let kept: Vec<usize> = (0..30).filter(|&at| sides[at].is_ok()).collect();
        assert_eq!(kept, (18..30).collect::<Vec<_>>(), "four of each of three, the newest");
        all.iter_mut().for_each(|one| one.people.push(7));
        all[0].people = vec![8, 0];
        assert!(split(&all, &Terms { most_of_one: 4, ..terms() })[0].is_ok(), "somebody else said it, too");
    }
}
