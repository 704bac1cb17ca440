//! How does another trainer use these rows? Its configuration, ready to run in the folder where the rows are.

use super::{
    Settings,
    row::{Format, Kind},
    split::Side,
    tally::Tally,
};

/// Every file that [`recipes`] may name.
pub(super) const NAMES: [&str; 7] =
    ["sft.yaml", "dpo.yaml", "kto.yaml", "axolotl.yaml", "axolotl-dpo.yaml", "axolotl-kto.yaml", "mlx.yaml"];

/// The files for the kinds of rows that there are, by name.
pub(super) fn recipes(settings: &Settings, tally: &Tally) -> Vec<(&'static str, String)> {
    let has = |kind: &Kind| tally.many(Side::Train, *kind) > 0;
    let kinds = Kind::ALL.into_iter().filter(has);
    let recipe = |kind: Kind| match (settings.format, kind) {
        (Format::Trl, Kind::Sft) => Some(("sft.yaml", trl(settings, tally, kind))),
        (Format::Trl, Kind::Dpo) => Some(("dpo.yaml", trl(settings, tally, kind))),
        (Format::Trl, Kind::Kto) => Some(("kto.yaml", trl(settings, tally, kind))),
        (Format::Axolotl, Kind::Sft) => Some(("axolotl.yaml", axolotl(settings, tally, kind))),
        (Format::Axolotl, Kind::Dpo) => Some(("axolotl-dpo.yaml", axolotl(settings, tally, kind))),
        (Format::Axolotl, Kind::Kto) => Some(("axolotl-kto.yaml", axolotl(settings, tally, kind))),
        (Format::Mlx, Kind::Sft) => Some(("mlx.yaml", mlx(settings, tally))),
        (Format::Mlx | Format::Jsonl, _) => None,
    };
    kinds.filter_map(recipe).collect()
}

/// What a JSON string is, is one in YAML, too.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Facts of all trainers: rank, learning rate and rounds for a few thousand rows at most.
fn rate(kind: Kind) -> (&'static str, u32) {
    match kind {
        Kind::Sft => ("2.0e-4", 2),
        Kind::Dpo | Kind::Kto => ("5.0e-6", 1),
    }
}

/// Weights of good and bad rows, so that both count the same in all.
fn balance((good, bad): (usize, usize)) -> (f64, f64) {
    let share = |more: usize, less: usize| (more as f64 / less.max(1) as f64 * 100.0).round() / 100.0;
    if good >= bad { (1.0, share(good, bad)) } else { (share(bad, good), 1.0) }
}

fn trl(settings: &Settings, tally: &Tally, kind: Kind) -> String {
    let (name, (rate, rounds)) = (kind.name(), rate(kind));
    // KTO compares each answer with its neighbors' in a batch.
    let batch = if kind == Kind::Kto { 4 } else { 1 };
    let mut text = format!(
        "# trl {name} --config {name}.yaml\n\
         model_name_or_path: {}\n\
         dataset_name: ./{name}\n\
         dataset_train_split: train\n",
        quoted(&settings.base)
    );
    if tally.many(Side::Valid, kind) > 0 {
        text.push_str("dataset_test_split: validation\neval_strategy: epoch\n");
    }
    text.push_str(&format!(
        "output_dir: out/{name}\nmax_length: 2048\nlearning_rate: {rate}\nlr_scheduler_type: cosine\n\
         warmup_steps: {}\nmax_grad_norm: 1.0\nnum_train_epochs: {rounds}\nper_device_train_batch_size: {batch}\n\
         gradient_accumulation_steps: 4\nuse_peft: true\nlora_r: 16\nlora_alpha: 32\nlora_dropout: 0.05\n\
         lora_target_modules: [all-linear]\nreport_to: none\nseed: 1\n",
        // A share of the steps, which newer versions do not take by the name that older ones know.
        (tally.many(Side::Train, kind) * rounds as usize).div_ceil(4 * batch * 20)
    ));
    if kind != Kind::Sft {
        text.push_str("beta: 0.1\n");
    }
    if kind == Kind::Kto {
        let (good, bad) = balance(tally.labels);
        text.push_str(&format!("desirable_weight: {good}\nundesirable_weight: {bad}\n"));
    }
    text
}

fn axolotl(settings: &Settings, tally: &Tally, kind: Kind) -> String {
    let (name, (rate, rounds)) = (kind.name(), rate(kind));
    let shape = match kind {
        Kind::Sft => "    type: chat_template\n    field_messages: messages\n    roles_to_train: [assistant]\n",
        Kind::Dpo => {
            "    type: chat_template.default\n    field_messages: messages\n    field_chosen: chosen\n    \
             field_rejected: rejected\n"
        }
        Kind::Kto => "    type: chatml.prompt_pairs\n",
    };
    let data =
        |side: Side| format!("  - path: ./{name}/{}.jsonl\n    ds_type: json\n    split: train\n{shape}", side.name());
    let mut text = format!("base_model: {}\nadapter: lora\n", quoted(&settings.base));
    text.push_str("lora_r: 16\nlora_alpha: 32\nlora_dropout: 0.05\nlora_target_linear: true\n");
    if kind != Kind::Sft {
        text.push_str(&format!("rl: {name}\nrl_beta: 0.1\n"));
    }
    if kind == Kind::Kto {
        let (good, bad) = balance(tally.labels);
        text.push_str(&format!("kto_desirable_weight: {good}\nkto_undesirable_weight: {bad}\n"));
        text.push_str("remove_unused_columns: false\n");
    } else {
        text.push_str("chat_template: tokenizer_default\n");
    }
    text.push_str(&format!("datasets:\n{}", data(Side::Train)));
    if tally.many(Side::Valid, kind) > 0 {
        text.push_str(&format!("test_datasets:\n{}evals_per_epoch: 1\n", data(Side::Valid)));
    }
    if kind == Kind::Sft {
        text.push_str("sample_packing: true\neval_sample_packing: false\n");
    }
    text.push_str(&format!(
        "sequence_len: 2048\nmicro_batch_size: {}\ngradient_accumulation_steps: 4\nnum_epochs: {rounds}\n\
         learning_rate: {rate}\nlr_scheduler: cosine\nwarmup_ratio: 0.05\nmax_grad_norm: 1.0\n\
         optimizer: adamw_torch\nbf16: auto\ngradient_checkpointing: true\noutput_dir: out/{name}\nseed: 1\n",
        if kind == Kind::Kto { 4 } else { 1 }
    ));
    let command = if kind == Kind::Sft { "axolotl.yaml".to_owned() } else { format!("axolotl-{name}.yaml") };
    format!("# axolotl train {command}\n{text}")
}

/// The rows of one batch, as MLX-LM is told.
const BATCH: usize = 4;

fn mlx(settings: &Settings, tally: &Tally) -> String {
    let rounds = 2;
    let steps = (tally.many(Side::Train, Kind::Sft) * rounds).div_ceil(BATCH);
    format!(
        "# mlx_lm.lora --config mlx.yaml\n\
         model: {}\ntrain: true\ndata: .\nfine_tune_type: lora\nmask_prompt: true\nnum_layers: -1\n\
         batch_size: {BATCH}\niters: {steps}\nlearning_rate: 2.0e-4\nmax_seq_length: 2048\ngrad_checkpoint: true\n\
         adapter_path: adapters\nseed: 1\nlora_parameters:\n  rank: 16\n  scale: 2.0\n  dropout: 0.05\n",
        quoted(&settings.base)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_and_bad_count_the_same() {
        assert_eq!(balance((30, 10)), (1.0, 3.0));
        assert_eq!(balance((10, 25)), (2.5, 1.0));
        assert_eq!(balance((3, 0)), (1.0, 3.0));
    }
}
