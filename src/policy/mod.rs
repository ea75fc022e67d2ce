//! STUB. The eight policies, as pure functions.
