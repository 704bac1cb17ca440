//! Does the forge hold to GitHub's contract, and does it see who does not?

mod kit;
mod path;
