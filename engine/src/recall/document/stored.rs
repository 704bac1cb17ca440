//! How is a document kept as text, so that its headings and code are found again?

use super::{Block, DEEPEST, What, clean::Blocks};

/// Blocks as text, a blank line between them.
pub(super) fn write(blocks: &[Block]) -> String {
    let mut out = String::new();
    for block in blocks {
        if !out.is_empty() {
            out.push('\n');
        }
        match block.what {
            What::Heading(level) => {
                out.extend(std::iter::repeat_n('#', usize::from(level)));
                out.push(' ');
                out.push_str(&block.text);
            }
            What::Prose => out.push_str(&escaped(&block.text)),
            What::Code => {
                let fence = "`".repeat(longest_fence(&block.text).max(2) + 1);
                out.push_str(&format!("{fence}\n{}\n{fence}", block.text));
            }
        }
        out.push('\n');
    }
    out
}

fn longest_fence(code: &str) -> usize {
    code.lines().map(|line| line.bytes().take_while(|&byte| byte == b'`').count()).max().unwrap_or(0)
}

fn escaped(prose: &str) -> String {
    let line = |line: &str| if needs_escape(line) { format!("\\{line}") } else { line.to_owned() };
    prose.split('\n').map(line).collect::<Vec<_>>().join("\n")
}

/// Also true of a line that is escaped already, so that one backslash more can be taken away again.
fn needs_escape(line: &str) -> bool {
    let rest = line.trim_start_matches('\\');
    rest.starts_with('#') || rest.starts_with("```")
}

/// Blocks from text that [`write`] wrote, with the lines of that text.
pub(super) fn read(text: &str) -> Vec<Block> {
    let mut blocks = Blocks::default();
    let mut lines = (1u32..).zip(text.lines()).peekable();
    while let Some((number, line)) = lines.next() {
        let fence = line.bytes().take_while(|&byte| byte == b'`').count();
        if line.is_empty() {
        } else if let Some((level, heading)) = heading(line) {
            blocks.heading(level, heading, (number, number));
        } else if fence >= 3 && fence == line.len() {
            let mut code = Vec::new();
            let mut last = number;
            for (number, inside) in lines.by_ref() {
                last = number;
                if inside == line {
                    break;
                }
                code.push(inside);
            }
            blocks.code(&code.join("\n"), (number, last));
        } else {
            let mut prose = vec![unescaped(line)];
            let mut last = number;
            while let Some((number, line)) = lines.next_if(|(_, line)| !line.is_empty()) {
                last = number;
                prose.push(unescaped(line));
            }
            blocks.prose(&prose.join("\n"), (number, last));
        }
    }
    blocks.finish()
}

fn heading(line: &str) -> Option<(u8, &str)> {
    let level = line.bytes().take_while(|&byte| byte == b'#').count();
    let text = line[level..].strip_prefix(' ')?;
    (1..=usize::from(DEEPEST)).contains(&level).then_some((u8::try_from(level).ok()?, text))
}

fn unescaped(line: &str) -> &str {
    if needs_escape(line) { line.strip_prefix('\\').unwrap_or(line) } else { line }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn blocks() -> impl Strategy<Value = Vec<Block>> {
        let block = (0u8..12, r"([\\#` a-z\n]|```){1,40}");
        prop::collection::vec(block, 0..12).prop_map(|parts| {
            let mut blocks = Blocks::default();
            for (sort, text) in parts {
                match sort {
                    0..=2 => blocks.heading(sort + 1, &text, (1, 1)),
                    3..=5 => blocks.code(&text, (1, 1)),
                    _ => blocks.prose(&text, (1, 1)),
                }
            }
            blocks.finish()
        })
    }

    proptest! {
        #[test]
        fn what_was_written_is_read_again(blocks in blocks()) {
            let text = write(&blocks);
            let again = read(&text);
            let bare = |blocks: &[Block]| blocks.iter().map(|block| (block.what, block.text.clone())).collect::<Vec<_>>();
            prop_assert_eq!(bare(&blocks), bare(&again), "{}", text);
            prop_assert_eq!(text, write(&again));
        }
    }
}
