//! Apprentice from the outside: the built command on real repositories, and the walls of the code itself.

mod linters;
mod repositories;
mod walls;
