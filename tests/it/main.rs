//! Apprentice from the outside: the built command on real repositories, and the walls of the code itself.

mod action;
mod adapters;
mod advice;
mod bot;
mod apply;
mod cli;
mod docs;
mod embedders;
mod evidence;
mod feedback;
mod formats;
mod hook;
mod interactive;
mod linters;
mod managers;
mod models;
mod night;
mod recall;
mod redteam;
mod repositories;
mod sentiment;
mod serving;
mod taste;
mod training;
mod walls;
