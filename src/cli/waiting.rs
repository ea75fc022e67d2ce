//! One line on a terminal while something takes long: redrawn in place, gone at the end, never in a file or a pipe.

use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use crate::config::Progress;

/// What is done sooner needs no word.
const PATIENCE: Duration = Duration::from_millis(500);
/// From one drawing to the next.
const STEP: Duration = Duration::from_millis(100);

/// Shows that work goes on, until dropped.
pub(crate) struct Waiting {
    /// Dropped, it ends the drawing.
    stop: Option<mpsc::Sender<()>>,
    drawing: Option<thread::JoinHandle<()>>,
}

impl Waiting {
    /// For a load.
    pub(crate) fn for_load(progress: &Arc<Progress>) -> Self {
        let progress = Arc::clone(progress);
        Self::saying(move |_| line(progress.records(), progress.share()))
    }

    /// For the server's answer.
    pub(crate) fn for_server() -> Self {
        Self::saying(|since| format!("waiting for the server: {} s", since.as_secs()))
    }

    /// For replies of name servers to questions that are counted.
    pub(crate) fn for_replies(asked: &Arc<AtomicUsize>) -> Self {
        let asked = Arc::clone(asked);
        Self::saying(move |since| {
            format!("{} questions asked, {} s", grouped(asked.load(Ordering::Relaxed)), since.as_secs())
        })
    }

    fn saying(say: impl Fn(Duration) -> String + Send + 'static) -> Self {
        if !io::stderr().is_terminal() {
            return Self { stop: None, drawing: None };
        }
        let (stop, stopped) = mpsc::channel();
        let began = Instant::now();
        let draw = move || {
            let mut wait = PATIENCE;
            while stopped.recv_timeout(wait) == Err(mpsc::RecvTimeoutError::Timeout) {
                // The cursor goes back, so that a line of the log is written over this one.
                eprint!("\r\x1b[K{}\r", say(began.elapsed()));
                let _ = io::stderr().flush();
                wait = STEP;
            }
            if wait == STEP {
                eprint!("\r\x1b[K");
            }
        };
        // A system without a thread to spare has other worries.
        Self { stop: Some(stop), drawing: thread::Builder::new().name("waiting".into()).spawn(draw).ok() }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(drawing) = self.drawing.take() {
            let _ = drawing.join();
        }
    }
}

/// How far a load is.
fn line(records: usize, share: Option<f64>) -> String {
    let all = match records {
        0 => String::new(),
        _ => format!(", {} records", grouped(records)),
    };
    match share {
        None => "looking for files".to_owned(),
        Some(share) if share < 1.0 => format!("reading: {:.0} %{all}", share * 100.0),
        Some(_) => format!("read{all}: putting it together"),
    }
}

/// A number with its thousands apart.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_says_how_much_is_read() {
        assert_eq!(line(0, None), "looking for files");
        assert_eq!(line(0, Some(0.0)), "reading: 0 %");
        assert_eq!(line(1_234_567, Some(0.456)), "reading: 46 %, 1,234,567 records");
        assert_eq!(line(100, Some(1.0)), "read, 100 records: putting it together");
        assert_eq!(grouped(1000), "1,000");
    }

    #[test]
    fn nothing_is_drawn_where_stderr_is_no_terminal() {
        // Of tests it is none: their output is caught, or somebody looks at a terminal and sees a line come and go.
        let waiting = Waiting::for_server();
        assert_eq!(waiting.drawing.is_some(), io::stderr().is_terminal());
    }
}
