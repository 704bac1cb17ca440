//! How is a run kept, so that it goes on as if it had not been stopped? One safetensors file with everything that a step
//! changes, written beside the old one before it takes its place, and with a digest of its own bytes.

use std::{borrow::Cow, collections::HashMap, io::Write as _, path::Path};

use safetensors::{Dtype, SafeTensors, View};
use serde::{Deserialize, Serialize};

use super::{
    Progress,
    optimizer::{Optimizer, Slot},
};
use crate::files;

/// Why a checkpoint cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The file cannot be read or written.
    #[error("the checkpoint `{0}` cannot be read or written; what was there before is still there")]
    File(String, #[source] std::io::Error),
    /// It is damaged.
    #[error("the checkpoint `{0}` is damaged ({1}): remove it to begin anew")]
    Damaged(String, String),
    /// It is of another run.
    #[error(
        "the checkpoint `{0}` is of other data or settings: remove it to begin anew, or give the former ones to go on"
    )]
    Other(String),
}

/// The longest checkpoint that is read.
const MOST: u64 = 64 << 30;

struct Floats<'a>(&'a [usize], &'a [f32]);

impl View for Floats<'_> {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }
    fn shape(&self) -> &[usize] {
        self.0
    }
    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Owned(self.1.iter().flat_map(|value| value.to_le_bytes()).collect())
    }
    fn data_len(&self) -> usize {
        4 * self.1.len()
    }
}

/// What a checkpoint says of its run, as JSON under this name.
const ABOUT: &str = "apprentice";

#[derive(Serialize, Deserialize)]
struct About {
    /// The digest of data and settings.
    run: String,
    /// Steps of the optimizer.
    steps: i32,
    progress: Progress,
}

const PARTS: [&str; 4] = ["values", "mean", "square", "best"];

fn part<'a>(slot: &'a mut Slot, part: &str) -> &'a mut Vec<f32> {
    match part {
        "values" => &mut slot.values,
        "mean" => &mut slot.mean,
        "square" => &mut slot.square,
        _ => &mut slot.best,
    }
}

/// Writes where a run is.
pub(super) fn write(
    path: &Path,
    digest: &str,
    optimizer: &Optimizer,
    progress: &Progress,
) -> Result<(), CheckpointError> {
    let damaged = |why: String| CheckpointError::Damaged(path.display().to_string(), why);
    let mut tensors = Vec::new();
    for slot in &optimizer.slots {
        for (part, values) in PARTS.into_iter().zip([&slot.values, &slot.mean, &slot.square, &slot.best]) {
            tensors.push((format!("{}.{part}", slot.name), Floats(&slot.shape, values)));
        }
    }
    let about = About { run: digest.to_owned(), steps: optimizer.steps, progress: progress.clone() };
    let about = serde_json::to_string(&about).map_err(|error| damaged(error.to_string()))?;
    // One entry alone: several would be written in any order.
    let about = HashMap::from([(ABOUT.to_owned(), about)]);
    let bytes = safetensors::serialize(tensors, Some(about)).map_err(|error| damaged(error.to_string()))?;
    let failed = |error| CheckpointError::File(path.display().to_string(), error);
    files::replace(path, |out| {
        out.write_all(&bytes)?;
        out.write_all(blake3::hash(&bytes).as_bytes())
    })
    .map_err(failed)
}

/// Reads where a run was, where there is a checkpoint of it.
pub(super) fn read(path: &Path, digest: &str, optimizer: &mut Optimizer) -> Result<Option<Progress>, CheckpointError> {
    let name = || path.display().to_string();
    let damaged = |why: &str| CheckpointError::Damaged(name(), why.to_owned());
    let bytes = files::read_small(path, MOST).map_err(|error| CheckpointError::File(name(), error))?;
    let Some(bytes) = bytes else { return Ok(None) };
    let (bytes, sum) = bytes.split_last_chunk::<32>().ok_or_else(|| damaged("it is too short"))?;
    if blake3::hash(bytes) != *sum {
        return Err(damaged("its bytes are not those that were written"));
    }
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(|error| damaged(&error.to_string()))?;
    let about = header.metadata().as_ref().and_then(|about| about.get(ABOUT));
    let about: About =
        about.and_then(|text| serde_json::from_str(text).ok()).ok_or_else(|| damaged("it says nothing of its run"))?;
    if about.run != digest {
        return Err(CheckpointError::Other(name()));
    }
    let tensors = SafeTensors::deserialize(bytes).map_err(|error| damaged(&error.to_string()))?;
    for slot in &mut optimizer.slots {
        for name in PARTS {
            let tensor =
                tensors.tensor(&format!("{}.{name}", slot.name)).map_err(|error| damaged(&error.to_string()))?;
            let values: Vec<f32> = tensor
                .data()
                .chunks_exact(4)
                .map(|four| f32::from_le_bytes([four[0], four[1], four[2], four[3]]))
                .collect();
            if values.len() != slot.values.len() {
                return Err(damaged("its numbers are too many or too few"));
            }
            *part(slot, name) = values;
        }
    }
    optimizer.steps = about.steps;
    Ok(Some(about.progress))
}
