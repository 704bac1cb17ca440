//! Which of many answers are learned from tonight? The newest, and of the old ones some of every kind, so that what was
//! learned once is not forgotten for what is new (experience replay; Rolnick et al., arXiv 1811.11682).

use std::collections::{BTreeMap, HashMap};

use super::{
    candidate::{Candidate, key},
    split::Side,
};

/// Answers about the same code, and the lot that was drawn for them.
type Drawn = (u64, Vec<usize>);

/// What is said of those that are not.
const WHY: &str = "old, and others like it are learned from";

/// Leaves so many answers to learn from: half of them the newest; the others in turn from each project's every rule.
/// Answers about the same code stay together, and what is held out stays held out.
pub(super) fn choose(candidates: &[Candidate], most: usize, sides: &mut [Result<Side, &'static str>]) {
    let mut codes: HashMap<u64, Vec<usize>> = HashMap::new();
    for (at, one) in candidates.iter().enumerate().filter(|(at, _)| sides.get(*at) == Some(&Ok(Side::Train))) {
        codes.entry(one.code).or_default().push(at);
    }
    if codes.values().map(Vec::len).sum::<usize>() <= most {
        return;
    }
    let newest = |code: &[usize]| code.iter().filter_map(|&at| candidates.get(at)).max_by_key(|one| one.at);
    let mut sets: Vec<(&Candidate, Vec<usize>)> =
        codes.into_values().filter_map(|code| Some((newest(&code)?, code))).collect();
    sets.sort_by_key(|(one, set)| (std::cmp::Reverse(one.at), set.first().copied()));
    let mut left = most;
    let mut strata: BTreeMap<(&str, &str), Vec<Drawn>> = BTreeMap::new();
    for (one, set) in sets {
        if left > most / 2 && set.len() <= left {
            left -= set.len();
        } else {
            // The lot is the code's own: more answers change little of what is drawn.
            let lot = key(&[&one.code.to_string()]);
            strata.entry((&one.project, &one.rule)).or_default().push((lot, set));
        }
    }
    strata.values_mut().for_each(|sets| sets.sort_by_key(|(lot, _)| *lot));
    let longest = strata.values().map(Vec::len).max().unwrap_or(0);
    for turn in 0..longest {
        for (_, set) in strata.values().filter_map(|sets| sets.get(turn)) {
            if set.len() <= left {
                left -= set.len();
                continue;
            }
            for &at in set {
                if let Some(side) = sides.get_mut(at) {
                    *side = Err(WHY);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::candidate::{From, signature},
        *,
    };

    fn one(at: i64, project: &str, rule: &str) -> Candidate {
        let code = format!("{at} {project} {rule}");
        Candidate {
            input: 0,
            at,
            project: project.into(),
            language: "python".into(),
            rule: rule.into(),
            people: Vec::new(),
            code: key(&[&code]),
            gist: key(&[&code]),
            signature: signature(&code),
            from: From::Line(1),
        }
    }

    fn kept(candidates: &[Candidate], most: usize) -> Vec<usize> {
        let mut sides = vec![Ok(Side::Train); candidates.len()];
        choose(candidates, most, &mut sides);
        (0..candidates.len()).filter(|&at| sides[at].is_ok()).collect()
    }

    #[test]
    fn the_newest_and_some_of_every_kind() {
        // A thousand of one rule, and ten old ones of each of two others.
        let mut all: Vec<Candidate> = (100..1100).map(|at| one(at, "p", "often")).collect();
        all.extend((0..10).map(|at| one(at, "p", "seldom")));
        all.extend((0..10).map(|at| one(at, "q", "often")));
        let kept = kept(&all, 40);
        assert_eq!(kept.len(), 40);
        assert!((980..1000).all(|at| kept.contains(&at)), "the newest twenty");
        let of = |range: std::ops::Range<usize>| kept.iter().filter(|at| range.contains(at)).count();
        assert!(of(1000..1010) >= 6 && of(1010..1020) >= 6 && of(0..980) >= 6, "{kept:?}");
    }

    #[test]
    fn few_are_all_kept_and_what_is_held_out_does_not_count() {
        let all: Vec<Candidate> = (0..10).map(|at| one(at, "p", "r")).collect();
        assert_eq!(kept(&all, 10).len(), 10);
        let mut sides = vec![Ok(Side::Train); 10];
        sides[3] = Ok(Side::Valid);
        sides[4] = Err("said before");
        choose(&all, 4, &mut sides);
        assert_eq!((sides[3], sides[4]), (Ok(Side::Valid), Err("said before")));
        assert_eq!(sides.iter().filter(|side| **side == Ok(Side::Train)).count(), 4);
    }

    #[test]
    fn what_is_about_the_same_code_stays_together() {
        let mut all: Vec<Candidate> = (0..20).map(|at| one(at, "p", "r")).collect();
        for (at, one) in all.iter_mut().enumerate() {
            one.code = key(&[&(at / 2).to_string()]);
        }
        let kept = kept(&all, 7);
        assert!(kept.len() == 6 && kept.chunks(2).all(|two| two[0] + 1 == two[1]), "{kept:?}");
    }
}
