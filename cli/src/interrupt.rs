//! Ctrl-C: the first one asks for a clean end, the second one gets an end.

use std::{future::pending, process};

use tokio::signal::ctrl_c;

use crate::failure::INTERRUPTED;

/// Done when Ctrl-C was pressed. Pressed again, it ends the process at once.
pub(crate) async fn interrupted() {
    if ctrl_c().await.is_err() {
        // It cannot be listened to, so it still does what it does by itself.
        return pending().await;
    }
    tokio::spawn(async {
        if ctrl_c().await.is_ok() {
            process::exit(INTERRUPTED.into());
        }
    });
}
