//! Does the forge hold to GitHub's contract, and does it see who does not?

mod controls;
mod faults;
mod graphql;
mod kit;
mod path;
mod operations;
mod people;
mod rules;
