//! What the program says, word for word, where nothing is run: each snapshot holds what a person sees
//! of one command, and its exit code. No privilege needed.

mod asking;
mod check;
mod compare;
mod plan;
mod predict;
mod reader;
mod reference;
mod usage;
