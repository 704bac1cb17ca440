//! Which input comes next? A seed with a few things done to it, as a number decides.

/// Seeds and what to do to them.
pub(crate) struct Mutator {
    seeds: Vec<Vec<u8>>,
    seed: u64,
}

/// No input grows beyond this.
const LONGEST: usize = 20_000;

/// Bytes that mean something to one parser or another.
const TOKENS: &[&[u8]] = &[
    b"\n",
    b"\r\n",
    b"\r",
    b"\0",
    b"\xff",
    b"\xef\xbb\xbf",
    b"\xff\xfe",
    b"\xe2\x80\xae",
    b"\t",
    b"    ",
    b"\"",
    b"'",
    b"`",
    b"(",
    b")",
    b"[",
    b"]",
    b"{",
    b"}",
    b"<<",
    b"#",
    b"//",
    b"/*",
    b"*/",
    b"<!--",
    b"\\",
    b"$",
    b"${",
    b"{{",
    b";",
    b":",
    b",",
    b"@@ -1,3 +1,4 @@\n",
    b"@@ -0,0 +1 @@\n",
    b"@@ -4294967295,1 +4294967295,1 @@\n",
    b"--- a/x\n+++ b/x\n",
    b"+++ /dev/null\n",
    b"diff --git a/x b/y\n",
    b"rename from x\nrename to y\n",
    b"deleted file mode 120000\n",
    b"\\ No newline at end of file\n",
    b"Binary files a/x and b/x differ\n",
    b"commit 0123456789012345678901234567890123456789\n",
    b"-- \n",
    b"+",
    b"-",
    b" ",
    b"apprentice: allow ",
    b"apprentice: allow-file ",
    b" -- because",
    b"any/*",
    b"python/eval-call",
    b"if ",
    b"return ",
    b"else",
    b"def f():\n",
    b"= None",
    b"==",
    b"!=",
    b"0",
    b"99999999999999999999",
    b"-1",
    b"true",
    b"null",
    b"[review]\n",
    b"[[overrides]]\n",
    b"fail_on = \"info\"\n",
    b"paths = [\"**\"]\n",
    b"<<<<<<< x\n",
    b"=======\n",
    b">>>>>>> y\n",
    b"\xc3\xa9",
    b"\xf0\x9f\xa6\x80",
];

impl Mutator {
    pub(crate) fn new(seeds: Vec<Vec<u8>>, seed: u64) -> Self {
        Self { seeds: if seeds.is_empty() { vec![Vec::new()] } else { seeds }, seed }
    }

    /// The input with this number.
    pub(crate) fn input(&self, number: u64) -> Vec<u8> {
        let mut dice = Dice(self.seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ number);
        let mut input = self.seed_for(&mut dice).to_vec();
        for _ in 0..dice.below(8) {
            self.step(&mut input, &mut dice);
            input.truncate(LONGEST);
        }
        input
    }

    fn seed_for(&self, dice: &mut Dice) -> &[u8] {
        &self.seeds[dice.below(self.seeds.len())]
    }

    fn step(&self, input: &mut Vec<u8>, dice: &mut Dice) {
        let at = dice.below(input.len() + 1);
        let part = |input: &[u8], dice: &mut Dice| {
            let longest = [1, 4, 40, 400][dice.below(4)];
            let from = dice.below(input.len() + 1);
            from..(from + dice.below(longest + 1)).min(input.len())
        };
        match dice.below(9) {
            0 => drop(input.splice(at..at, TOKENS[dice.below(TOKENS.len())].iter().copied())),
            1 => drop(input.drain(part(input, dice))),
            2 => {
                let copy = input[part(input, dice)].to_vec();
                input.splice(at..at, copy);
            }
            3 => {
                let other = self.seed_for(dice);
                let copy = other[part(other, dice)].to_vec();
                input.splice(at..at, copy);
            }
            4 => input.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << dice.below(8)),
            5 => input.iter_mut().skip(at).take(1).for_each(|byte| *byte = dice.below(256) as u8),
            6 => {
                let copy = input[part(input, dice)].repeat(2 + dice.below(30));
                input.splice(at..at, copy);
            }
            7 => lines(input, dice),
            _ => input.truncate(at),
        }
    }
}

/// Swaps, drops or doubles a line.
fn lines(input: &mut Vec<u8>, dice: &mut Dice) {
    let mut lines: Vec<Vec<u8>> = input.split_inclusive(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect();
    if lines.is_empty() {
        return;
    }
    let (a, b) = (dice.below(lines.len()), dice.below(lines.len()));
    match dice.below(3) {
        0 => lines.swap(a, b),
        1 => drop(lines.remove(a)),
        _ => lines.insert(b, lines[a].clone()),
    }
    *input = lines.concat();
}

/// Splitmix64.
struct Dice(u64);

impl Dice {
    fn below(&mut self, many: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ (mixed >> 31)) % many.max(1) as u64) as usize
    }
}
