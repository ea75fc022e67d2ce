//! The rules of the house that a compiler does not keep.

mod independence;
mod layers;
