//! X11 desktops.

pub(crate) mod focus;
