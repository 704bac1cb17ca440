//! Which tensor of a file is packed how? As llama.cpp mixes types (`llama-quant.cpp`, without an importance matrix).

use std::{fmt, str::FromStr};

use candle_core::quantized::GgmlDType;

/// What most of a file is packed as (`general.file_type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileType {
    /// 32 bits a weight.
    F32,
    /// 16 bits, IEEE half precision.
    F16,
    /// 16 bits, the upper half of F32.
    Bf16,
    /// 8.5 bits.
    Q8,
    /// 4.5 bits, 5.5 for what matters more.
    Q4Small,
    /// 4.5 bits, 6.6 for what matters more.
    Q4Medium,
    /// 5.5 bits.
    Q5Small,
    /// 5.5 bits, 6.6 for what matters more.
    Q5Medium,
    /// 6.6 bits.
    Q6,
}

impl FileType {
    /// All of them, the largest first.
    pub const ALL: [Self; 9] = [
        Self::F32,
        Self::F16,
        Self::Bf16,
        Self::Q8,
        Self::Q6,
        Self::Q5Medium,
        Self::Q5Small,
        Self::Q4Medium,
        Self::Q4Small,
    ];

    /// llama.cpp's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "F32",
            Self::F16 => "F16",
            Self::Bf16 => "BF16",
            Self::Q8 => "Q8_0",
            Self::Q4Small => "Q4_K_S",
            Self::Q4Medium => "Q4_K_M",
            Self::Q5Small => "Q5_K_S",
            Self::Q5Medium => "Q5_K_M",
            Self::Q6 => "Q6_K",
        }
    }

    /// llama.cpp's number (`llama_ftype`).
    pub fn number(self) -> u32 {
        match self {
            Self::F32 => 0,
            Self::F16 => 1,
            Self::Q8 => 7,
            Self::Q4Small => 14,
            Self::Q4Medium => 15,
            Self::Q5Small => 16,
            Self::Q5Medium => 17,
            Self::Q6 => 18,
            Self::Bf16 => 32,
        }
    }

    /// What a tensor is packed as that nothing is said about.
    fn plain(self) -> GgmlDType {
        match self {
            Self::F32 => GgmlDType::F32,
            Self::F16 => GgmlDType::F16,
            Self::Bf16 => GgmlDType::BF16,
            Self::Q8 => GgmlDType::Q8_0,
            Self::Q4Small | Self::Q4Medium => GgmlDType::Q4K,
            Self::Q5Small | Self::Q5Medium => GgmlDType::Q5K,
            Self::Q6 => GgmlDType::Q6K,
        }
    }

    /// Whether weights lose something.
    pub fn is_quantized(self) -> bool {
        !matches!(self, Self::F32 | Self::F16 | Self::Bf16)
    }
}

impl fmt::Display for FileType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for FileType {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|kind| kind.name().eq_ignore_ascii_case(name));
        found.ok_or_else(|| {
            let known: Vec<&str> = Self::ALL.iter().map(|kind| kind.name()).collect();
            format!("`{name}` is no type that is written here; known are {}", known.join(", "))
        })
    }
}

/// What the choice depends on beside the tensor.
#[derive(Debug, Clone, Copy)]
pub struct Model<'a> {
    /// ggml's name of its kind.
    pub architecture: &'a str,
    /// Its layers.
    pub layers: usize,
    /// Whether it has no `output.weight`: the embeddings are the output, too.
    pub is_tied: bool,
}

/// How a tensor of these dimensions (the fastest first) is packed.
pub fn kind(file: FileType, name: &str, sizes: &[usize], model: Model<'_>) -> GgmlDType {
    if sizes.len() < 2 || !name.ends_with("weight") || name.ends_with("_norm.weight") {
        return GgmlDType::F32;
    }
    let plain = file.plain();
    if !file.is_quantized() {
        return plain;
    }
    let columns = sizes[0];
    fitting(mixed(file, plain, name, columns, model), columns)
}

fn mixed(file: FileType, plain: GgmlDType, name: &str, columns: usize, model: Model<'_>) -> GgmlDType {
    if name == "output.weight" || model.is_tied && name == "token_embd.weight" {
        return match plain {
            _ if !columns.is_multiple_of(plain.block_size()) => GgmlDType::Q8_0,
            GgmlDType::Q8_0 => GgmlDType::Q8_0,
            _ => GgmlDType::Q6K,
        };
    }
    let Some((layer, part)) = name.strip_prefix("blk.").and_then(|rest| rest.split_once('.')) else { return plain };
    let Ok(layer) = layer.parse::<usize>() else { return plain };
    let layers = model.layers;
    match (file, part) {
        (FileType::Q4Medium | FileType::Q5Medium, "attn_v.weight" | "ffn_down.weight")
            if deserves_more(layer, layers) =>
        {
            GgmlDType::Q6K
        }
        (FileType::Q4Small, "attn_v.weight") if layer < 4 => GgmlDType::Q5K,
        (FileType::Q4Small, "ffn_down.weight") if layer < layers / 8 => GgmlDType::Q5K,
        // Of 80 layers are models in which eight heads share one of values.
        (FileType::Q4Small | FileType::Q4Medium, "attn_v.weight")
            if layers == 80 && matches!(model.architecture, "llama" | "qwen2") =>
        {
            GgmlDType::Q5K
        }
        _ => plain,
    }
}

/// The first and the last eighth of the layers, and every third between (llama.cpp's `use_more_bits`).
fn deserves_more(layer: usize, layers: usize) -> bool {
    layer < layers / 8 || layer >= 7 * layers / 8 || (layer - layers / 8) % 3 == 2
}

/// The type itself, or what is taken for it where rows do not fill its blocks.
fn fitting(kind: GgmlDType, columns: usize) -> GgmlDType {
    if columns.is_multiple_of(kind.block_size()) {
        return kind;
    }
    let smaller = match kind {
        GgmlDType::Q4K => GgmlDType::Q5_0,
        GgmlDType::Q5K => GgmlDType::Q5_1,
        _ => GgmlDType::Q8_0,
    };
    if columns.is_multiple_of(smaller.block_size()) { smaller } else { GgmlDType::F16 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(file: FileType, part: &str, columns: usize, layers: usize) -> String {
        let model = Model { architecture: "llama", layers, is_tied: true };
        let kind = |n| kind(file, &format!("blk.{n}.{part}.weight"), &[columns, 64], model);
        (0..layers).map(|n| format!("{:?} ", kind(n))).collect::<String>().replace("Dtype", "")
    }

    #[test]
    fn what_matters_more_has_more_bits() {
        insta::assert_snapshot!(kinds(FileType::Q4Medium, "attn_v", 256, 12), @"Q6K Q4K Q4K Q6K Q4K Q4K Q6K Q4K Q4K Q6K Q6K Q6K");
        insta::assert_snapshot!(kinds(FileType::Q4Small, "attn_v", 256, 6), @"Q5K Q5K Q5K Q5K Q4K Q4K");
        insta::assert_snapshot!(kinds(FileType::Q4Small, "ffn_down", 256, 8), @"Q5K Q4K Q4K Q4K Q4K Q4K Q4K Q4K");
        insta::assert_snapshot!(kinds(FileType::Q5Small, "ffn_down", 256, 8), @"Q5K Q5K Q5K Q5K Q5K Q5K Q5K Q5K");
        insta::assert_snapshot!(kinds(FileType::Q4Medium, "attn_q", 256, 4), @"Q4K Q4K Q4K Q4K");
    }

    #[test]
    fn rows_that_fill_no_blocks_have_smaller_ones() {
        insta::assert_snapshot!(kinds(FileType::Q4Medium, "attn_v", 96, 8), @"Q8_0 Q5_0 Q5_0 Q8_0 Q5_0 Q5_0 Q8_0 Q8_0");
        insta::assert_snapshot!(kinds(FileType::Q5Medium, "attn_q", 96, 2), @"Q5_1 Q5_1");
        insta::assert_snapshot!(kinds(FileType::Q8, "attn_q", 100, 2), @"F16 F16");
    }

    #[test]
    fn what_is_small_is_never_quantized() {
        let model = Model { architecture: "qwen3", layers: 1, is_tied: false };
        let kind = |name, sizes: &[usize]| kind(FileType::Q4Medium, name, sizes, model);
        assert_eq!(kind("blk.0.attn_norm.weight", &[256]), GgmlDType::F32);
        assert_eq!(kind("blk.0.attn_q.bias", &[256]), GgmlDType::F32);
        assert_eq!(kind("rope_freqs.weight", &[32]), GgmlDType::F32);
        assert_eq!(kind("token_embd.weight", &[256, 9]), GgmlDType::Q4K);
        assert_eq!(kind("output.weight", &[256, 9]), GgmlDType::Q6K);
        assert_eq!(kind("output.weight", &[96, 9]), GgmlDType::Q8_0);
    }
}
