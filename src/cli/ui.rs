//! What a person sees: text on standard output (none with `--json`), and on standard error a spinner
//! while something runs, if that is a terminal.

use indicatif::{ProgressBar, ProgressStyle};
use std::io::Write;
use std::time::Duration;

pub struct Ui {
    json: bool,
    spinner: ProgressBar,
}

impl Ui {
    pub fn new(json: bool) -> Self {
        // Hidden by itself where standard error is no terminal.
        let spinner = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed}") {
            spinner.set_style(style);
        }
        Self { json, spinner }
    }

    /// Prints a line, or several, of text.
    pub fn say(&self, line: impl AsRef<str>) {
        if !self.json {
            self.spinner.suspend(|| print(line.as_ref()));
        }
    }

    /// Tells what happened, while more is to come: a line of text, or one JSON object on a line.
    pub fn event(&self, line: impl AsRef<str>, object: &serde_json::Value) {
        match self.json {
            true => print(&object.to_string()),
            false => self.say(line),
        }
    }

    /// Tells what runs now.
    pub fn step(&self, message: impl Into<String>) {
        self.spinner.set_message(message.into());
        self.spinner.enable_steady_tick(Duration::from_millis(100));
    }

    /// Nothing runs any more.
    pub fn finish(&self) {
        self.spinner.finish_and_clear();
    }
}

/// Standard output may be closed early (`| head`): that is not an error.
pub fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{text}");
    let _ = out.flush();
}

pub fn print_error(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}
