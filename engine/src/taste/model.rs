//! What does it believe? The mode of the posterior and its curvature, in one block for each rule and one for what they share.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{
    Answer, Learning, State, Subject, Support,
    solve::{Factor, Square},
    state::Sums,
    subject::{Effect, Level},
};

/// Newton's steps before the mode is taken as found; a handful are needed.
const STEPS: usize = 30;

/// Answers after which everything is fitted anew; in between, what is far from an answer moves along a straight line.
const REFIT: usize = 64;

/// How many effects the spread assumed at first counts for, beside those whose spread is seen.
const ASSUMED: f64 = 8.0;

/// A belief about how likely a finding is taken up.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Belief {
    /// The mean on the logistic scale.
    pub mean: f64,
    /// Its variance.
    pub variance: f64,
}

impl Belief {
    /// The probability, with the uncertainty averaged out (MacKay 1992).
    pub fn probability(self) -> f64 {
        logistic(self.mean / (1.0 + std::f64::consts::PI * self.variance / 8.0).sqrt())
    }

    /// The probability that the chance is below this one.
    pub fn below(self, chance: f64) -> f64 {
        let edge = (chance / (1.0 - chance)).ln();
        normal((edge - self.mean) / self.variance.sqrt().max(1e-9))
    }
}

/// Effects that were met, each with its place in a vector.
#[derive(Debug, Clone, Default)]
struct Effects {
    places: HashMap<String, usize>,
    all: Vec<(Level, f64)>,
    mode: Vec<f64>,
}

impl Effects {
    fn place(&mut self, effect: Effect) -> usize {
        let next = self.all.len();
        *self.places.entry(effect.name).or_insert_with(|| {
            self.all.push((effect.level, effect.mean));
            self.mode.push(effect.mean);
            next
        })
    }
}

/// Findings that are alike.
#[derive(Debug, Clone)]
struct Row {
    shared: Vec<usize>,
    own: Vec<usize>,
    by: BTreeMap<String, (f64, f64)>,
    /// Weight and reward with what one person may count for.
    counted: (f64, f64),
}

/// One rule: its answers, its effects, and how they hang together with what is shared.
#[derive(Debug, Clone, Default)]
struct Block {
    rows: Vec<Row>,
    of: HashMap<Subject, usize>,
    effects: Effects,
    factor: Factor,
    /// Curvature between its own effects and the shared ones: a row for each of its own.
    cross: Vec<f64>,
    /// The same, solved by its own curvature.
    solved: Vec<f64>,
    /// What it adds to the curvature of what is shared, its own effects taken out.
    reduced: Square,
    support: Support,
}

/// Slope and curvature of one rule's answers at the present mode.
struct Local {
    own_slope: Vec<f64>,
    shared_slope: Vec<f64>,
    shared: Square,
}

/// What is believed, from a [`State`] as of some time.
#[derive(Debug, Clone)]
pub struct Taste {
    learning: Learning,
    now: i64,
    shared: Effects,
    factor: Factor,
    /// Curvature of what is shared, all rules' own effects taken out.
    curvature: Square,
    rules: HashMap<String, Block>,
    spreads: BTreeMap<Level, f64>,
    since_fit: usize,
    people: BTreeSet<String>,
}

impl Taste {
    /// What a state comes to at a time. Cost: a few passes over its subjects, and for each rule the cube of its effects.
    pub fn of(state: &State, now: i64, learning: Learning) -> Self {
        let mut taste = Self {
            learning,
            now,
            shared: Effects::default(),
            factor: Factor::default(),
            curvature: Square::default(),
            rules: HashMap::new(),
            spreads: BTreeMap::new(),
            since_fit: 0,
            people: BTreeSet::new(),
        };
        for (subject, by) in state.parts().values().flat_map(|part| &part.sums) {
            for (who, sums) in by {
                taste.put(subject, who, *sums);
            }
        }
        for block in taste.rules.values_mut() {
            block.count(learning.cap);
        }
        taste.tune();
        taste
    }

    /// Adds one answer to what is believed. Returns whether everything was fitted anew for it.
    pub fn learn(&mut self, answer: &Answer) -> bool {
        let known = self.shared.all.len();
        let before = self.rules.get(&answer.subject.rule).map(|block| (block.effects.all.len(), block.rows.len()));
        let slope_before = before.and_then(|_| self.local(&answer.subject.rule)).map(|local| local.shared_slope);
        self.put(&answer.subject, &answer.who, Sums::of(answer, self.learning));
        if let Some(block) = self.rules.get_mut(&answer.subject.rule) {
            block.count(self.learning.cap);
        }
        self.since_fit += 1;
        // What is shared has a new side, or the straight lines were followed for long.
        if self.shared.all.len() != known || self.since_fit >= REFIT {
            self.advance(answer.at);
            self.tune();
            return true;
        }
        self.step(&answer.subject.rule, &slope_before.unwrap_or_else(|| vec![0.0; known]));
        false
    }

    /// Lets what was heard fade to a later time.
    fn advance(&mut self, now: i64) {
        let left = (-((now - self.now).max(0) as f64) / self.learning.half_life).exp2();
        self.now = self.now.max(now);
        for block in self.rules.values_mut() {
            for heard in block.rows.iter_mut().flat_map(|row| row.by.values_mut()) {
                *heard = (left * heard.0, left * heard.1);
            }
            block.count(self.learning.cap);
        }
    }

    fn put(&mut self, subject: &Subject, who: &str, sums: Sums) {
        let shared = subject.shared().into_iter().map(|effect| self.shared.place(effect)).collect();
        let block = self.rules.entry(subject.rule.clone()).or_default();
        let own = subject.own().into_iter().map(|effect| block.effects.place(effect)).collect();
        let next = block.rows.len();
        let at = *block.of.entry(subject.clone()).or_insert(next);
        if at == next {
            block.rows.push(Row { shared, own, by: BTreeMap::new(), counted: (0.0, 0.0) });
        }
        let (weight, reward) = sums.faded(self.now, self.learning);
        let heard = block.rows[at].by.entry(who.to_owned()).or_default();
        *heard = (heard.0 + weight, heard.1 + reward);
        self.people.insert(who.to_owned());
    }

    /// What is believed about findings like this one.
    pub fn belief(&self, subject: &Subject) -> Belief {
        let mut slope = vec![0.0; self.shared.all.len()];
        let (mut mean, mut variance) = (0.0, 0.0);
        let mut prior = |effect: &Effect, level: f64| {
            mean += effect.mean;
            variance += level * level;
        };
        let block = self.rules.get(&subject.rule);
        let mut own = block.map(|block| vec![0.0; block.effects.all.len()]).unwrap_or_default();
        for effect in subject.own() {
            match block.and_then(|block| block.effects.places.get(&effect.name)) {
                Some(&at) => own[at] = 1.0,
                None => prior(&effect, self.spread(effect.level)),
            }
        }
        for effect in subject.shared() {
            match self.shared.places.get(&effect.name) {
                Some(&at) => slope[at] = 1.0,
                None => prior(&effect, self.spread(effect.level)),
            }
        }
        mean += dot(&slope, &self.shared.mode);
        if let Some(block) = block {
            mean += dot(&own, &block.effects.mode);
            let mut solved = own.clone();
            block.factor.solve(&mut solved);
            variance += dot(&own, &solved);
            let side = slope.len();
            for (row, weight) in solved.iter().enumerate().filter(|(_, weight)| **weight != 0.0) {
                let cross = &block.cross[row * side..(row + 1) * side];
                slope.iter_mut().zip(cross).for_each(|(slope, cross)| *slope -= weight * cross);
            }
        }
        self.factor.forward(&mut slope);
        variance += dot(&slope, &slope);
        Belief { mean, variance }
    }

    /// How much was heard about a rule, and from whom.
    pub fn support(&self, rule: &str) -> Support {
        self.rules.get(rule).map(|block| block.support).unwrap_or_default()
    }

    /// How many people answered anything.
    pub fn people(&self) -> usize {
        self.people.len()
    }

    #[cfg(test)]
    pub(super) fn spread_of(&self, level: Level) -> f64 {
        self.spread(level)
    }

    fn spread(&self, level: Level) -> f64 {
        self.spreads.get(&level).copied().unwrap_or_else(|| level.spread())
    }

    fn precision(&self, level: Level) -> f64 {
        self.spread(level).powi(-2)
    }

    /// Fits, and lets effects that are seen to lie closer together or further apart say so (empirical Bayes, by
    /// expectation and maximization).
    fn tune(&mut self) {
        self.fit();
        for _ in 0..2 {
            let mut seen: BTreeMap<Level, (f64, f64)> = BTreeMap::new();
            for block in self.rules.values() {
                let spread = self.own_variances(block);
                for ((level, mean), (mode, variance)) in
                    block.effects.all.iter().zip(block.effects.mode.iter().zip(spread))
                {
                    let (many, sum) = seen.entry(*level).or_default();
                    *many += 1.0;
                    *sum += (mode - mean).powi(2) + variance;
                }
            }
            for (at, ((level, mean), mode)) in self.shared.all.iter().zip(&self.shared.mode).enumerate() {
                let mut unit = vec![0.0; self.shared.all.len()];
                unit[at] = 1.0;
                self.factor.forward(&mut unit);
                let (many, sum) = seen.entry(*level).or_default();
                *many += 1.0;
                *sum += (mode - mean).powi(2) + dot(&unit, &unit);
            }
            for (level, (many, sum)) in seen {
                let assumed = level.spread().powi(2);
                self.spreads.insert(level, ((ASSUMED * assumed + sum) / (ASSUMED + many)).sqrt());
            }
            self.fit();
        }
    }

    /// The variance of each own effect of a rule.
    fn own_variances(&self, block: &Block) -> Vec<f64> {
        let side = self.shared.all.len();
        let each = |at: usize| {
            let mut unit = vec![0.0; block.effects.all.len()];
            unit[at] = 1.0;
            block.factor.forward(&mut unit);
            let mut across = block.solved[at * side..(at + 1) * side].to_vec();
            self.factor.forward(&mut across);
            dot(&unit, &unit) + dot(&across, &across)
        };
        (0..block.effects.all.len()).map(each).collect()
    }

    /// Finds the mode by Newton's method.
    fn fit(&mut self) {
        let side = self.shared.all.len();
        self.since_fit = 0;
        for _ in 0..STEPS {
            let names: Vec<String> = self.rules.keys().cloned().collect();
            self.curvature = Square::zero(side);
            let mut slope = self.prior_slope();
            let mut owns = Vec::with_capacity(names.len());
            for name in &names {
                let Some(local) = self.local(name) else { continue };
                let Some(own) = self.take_up(name, &local) else { continue };
                for (slope, part) in slope.iter_mut().zip(local.shared_slope) {
                    *slope += part;
                }
                self.take_out(name, &own, &mut slope);
                owns.push((name.clone(), own));
            }
            self.close();
            self.factor.solve(&mut slope);
            let mut furthest = self.move_shared(&slope, 1.0);
            for (name, own) in owns {
                furthest = furthest.max(self.move_own(&name, Some(&own), &slope));
            }
            if furthest < 1e-7 {
                break;
            }
        }
    }

    /// One step of Newton's method after the answers of one rule changed; all others were at their mode.
    fn step(&mut self, rule: &str, slope_before: &[f64]) {
        if let Some(block) = self.rules.get(rule) {
            self.curvature.add(&block.reduced, -1.0);
        }
        let Some(local) = self.local(rule) else { return };
        let Some(own) = self.take_up(rule, &local) else { return };
        let mut slope: Vec<f64> =
            local.shared_slope.iter().zip(slope_before).map(|(now, before)| now - before).collect();
        self.take_out(rule, &own, &mut slope);
        self.factor = Factor::of(self.with_prior());
        self.factor.solve(&mut slope);
        self.move_shared(&slope, 1.0);
        let names: Vec<String> = self.rules.keys().cloned().collect();
        for name in names {
            self.move_own(&name, (name == rule).then_some(&own), &slope);
        }
    }

    fn prior_slope(&self) -> Vec<f64> {
        let each = self.shared.all.iter().zip(&self.shared.mode);
        each.map(|((level, mean), mode)| -self.precision(*level) * (mode - mean)).collect()
    }

    fn with_prior(&self) -> Square {
        let mut curvature = self.curvature.clone();
        for (at, (level, _)) in self.shared.all.iter().enumerate() {
            *curvature.at_mut(at, at) += self.precision(*level);
        }
        curvature
    }

    fn close(&mut self) {
        self.factor = Factor::of(self.with_prior());
    }

    /// Slope and curvature of a rule's answers; its own curvature and its tie to what is shared are left in the block.
    fn local(&mut self, rule: &str) -> Option<Local> {
        let side = self.shared.all.len();
        let precisions: Vec<f64> =
            self.rules.get(rule)?.effects.all.iter().map(|(level, _)| self.precision(*level)).collect();
        let shared = &self.shared.mode;
        let block = self.rules.get_mut(rule)?;
        let many = precisions.len();
        let mut own = Square::zero(many);
        let mut own_slope = vec![0.0; many];
        for (at, precision) in precisions.iter().enumerate() {
            *own.at_mut(at, at) = *precision;
            own_slope[at] = -precision * (block.effects.mode[at] - block.effects.all[at].1);
        }
        let mut local = Local { own_slope, shared_slope: vec![0.0; side], shared: Square::zero(side) };
        block.cross = vec![0.0; many * side];
        for row in &block.rows {
            let (weight, reward) = row.counted;
            let logit: f64 = row.shared.iter().map(|&at| shared[at]).sum::<f64>()
                + row.own.iter().map(|&at| block.effects.mode[at]).sum::<f64>();
            let chance = logistic(logit);
            let (left, bend) = (reward - weight * chance, weight * chance * (1.0 - chance));
            for &at in &row.own {
                local.own_slope[at] += left;
                row.own.iter().for_each(|&other| *own.at_mut(at, other) += bend);
                row.shared.iter().for_each(|&other| block.cross[at * side + other] += bend);
            }
            for &at in &row.shared {
                local.shared_slope[at] += left;
                row.shared.iter().for_each(|&other| *local.shared.at_mut(at, other) += bend);
            }
        }
        block.factor = Factor::of(own);
        Some(local)
    }

    /// Adds a rule's curvature to what is shared, with its own effects taken out. Returns its own slope, solved.
    fn take_up(&mut self, rule: &str, local: &Local) -> Option<Vec<f64>> {
        let side = self.shared.all.len();
        let block = self.rules.get_mut(rule)?;
        let many = block.effects.all.len();
        let mut half = vec![0.0; many * side];
        block.solved = vec![0.0; many * side];
        for column in 0..side {
            let mut tie: Vec<f64> = (0..many).map(|row| block.cross[row * side + column]).collect();
            if tie.iter().all(|tie| *tie == 0.0) {
                continue;
            }
            block.factor.forward(&mut tie);
            (0..many).for_each(|row| half[row * side + column] = tie[row]);
            let mut tie: Vec<f64> = (0..many).map(|row| block.cross[row * side + column]).collect();
            block.factor.solve(&mut tie);
            (0..many).for_each(|row| block.solved[row * side + column] = tie[row]);
        }
        block.reduced = local.shared.clone();
        for row in half.chunks(side.max(1)) {
            let met: Vec<usize> = (0..row.len()).filter(|&at| row[at] != 0.0).collect();
            for &a in &met {
                met.iter().for_each(|&b| *block.reduced.at_mut(a, b) -= row[a] * row[b]);
            }
        }
        let mut own = local.own_slope.clone();
        block.factor.solve(&mut own);
        self.curvature.add(&block.reduced, 1.0);
        Some(own)
    }

    /// Takes out of the shared slope what the rule's own effects will answer for.
    fn take_out(&self, rule: &str, own: &[f64], slope: &mut [f64]) {
        let Some(block) = self.rules.get(rule) else { return };
        for (row, own) in own.iter().enumerate() {
            let cross = &block.cross[row * slope.len()..(row + 1) * slope.len()];
            slope.iter_mut().zip(cross).for_each(|(slope, cross)| *slope -= own * cross);
        }
    }

    fn move_shared(&mut self, step: &[f64], times: f64) -> f64 {
        self.shared.mode.iter_mut().zip(step).for_each(|(mode, step)| *mode += times * step);
        furthest(step)
    }

    /// Moves a rule's own effects: by its own slope, and along with what is shared.
    fn move_own(&mut self, rule: &str, own: Option<&[f64]>, shared: &[f64]) -> f64 {
        let Some(block) = self.rules.get_mut(rule) else { return 0.0 };
        let mut moved: f64 = 0.0;
        for at in 0..block.effects.mode.len() {
            let along = dot(&block.solved[at * shared.len()..(at + 1) * shared.len()], shared);
            let step = own.map_or(0.0, |own| own[at]) - along;
            block.effects.mode[at] += step;
            moved = moved.max(step.abs());
        }
        moved
    }
}

impl Block {
    /// What its rows count for when nobody counts for more than the cap or half of what all others say, and who said how
    /// much.
    fn count(&mut self, cap: f64) {
        let mut by: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
        for (who, (weight, reward)) in self.rows.iter().flat_map(|row| &row.by) {
            let sum = by.entry(who).or_default();
            *sum = (sum.0 + weight, sum.1 + reward);
        }
        let all: f64 = by.values().map(|(weight, _)| weight).sum();
        let most = |weight: f64| cap.max((all - weight) / 2.0);
        let scale: BTreeMap<String, f64> = by
            .iter()
            .map(|(who, (weight, _))| ((*who).to_owned(), (most(*weight) / weight.max(1e-12)).min(1.0)))
            .collect();
        let heard = by.values().filter(|(weight, _)| *weight > 0.0);
        self.support = Support {
            answers: by.values().map(|(weight, _)| weight.min(most(*weight))).sum(),
            people: heard.clone().count(),
            against: heard.filter(|(weight, reward)| reward / weight < 0.5).count(),
        };
        for row in &mut self.rows {
            let each = row.by.iter().map(|(who, (weight, reward))| (scale[who] * weight, scale[who] * reward));
            row.counted = each.fold((0.0, 0.0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        }
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn furthest(step: &[f64]) -> f64 {
    step.iter().fold(0.0, |most, step| most.max(step.abs()))
}

fn logistic(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// The standard normal distribution (Abramowitz and Stegun 26.2.17; error below 7.5e-8).
fn normal(x: f64) -> f64 {
    let t = 1.0 / (1.0 + 0.231_641_9 * x.abs());
    let poly =
        t * (0.319_381_530 + t * (-0.356_563_782 + t * (1.781_477_937 + t * (-1.821_255_978 + t * 1.330_274_429))));
    let tail = (-x * x / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt() * poly;
    if x > 0.0 { 1.0 - tail } else { tail }
}
