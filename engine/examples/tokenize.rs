//! Which tokens are these texts made of? Reads JSON strings, one a line, and writes arrays of ids, so that
//! benches/tokenizers.py can hold them against llama.cpp's. `tokenize FILE.gguf [special]`
#![expect(clippy::disallowed_methods, reason = "an example reads what it is given")]

use std::{
    env,
    error::Error,
    fs::File,
    io::{self, BufRead, BufWriter, Write},
};

use candle_core::quantized::gguf_file::Content;
use engine::model::local::tokenizer::Tokenizer;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().collect();
    let file = arguments.get(1).ok_or("tokenize FILE.gguf [special]")?;
    let special = arguments.get(2).is_some_and(|argument| argument == "special");
    let metadata = Content::read(&mut io::BufReader::new(File::open(file)?))?.metadata;
    let tokenizer = Tokenizer::new(&metadata)?;
    let mut out = BufWriter::new(io::stdout().lock());
    for line in io::stdin().lock().lines() {
        let text: String = serde_json::from_str(&line?)?;
        serde_json::to_writer(&mut out, &tokenizer.encode(&text, special))?;
        out.write_all(b"\n")?;
    }
    Ok(out.flush()?)
}
