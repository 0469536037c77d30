//! How a model is quantised: the options that `setup` and `calibrate-report` share.

use anyhow::Result;
use clap::Args;
use serde_json::{json, Value};
use veristar::onnx::{CalibrationMethod, Dataset, FloatModel, QuantiseOptions};

#[derive(Args)]
pub struct Arguments {
    /// Precision of activations (4 to 16 bits) [default: 12]
    #[arg(long, value_name = "N")]
    activation_bits: Option<u32>,
    /// Range of an activation: of all calibrated values (minmax), of a share of them (percentile:99.99), or with the
    /// least squared error (mse). What lies beyond is clamped. Inputs and outputs keep minmax.
    #[arg(long, value_name = "METHOD", default_value = "minmax")]
    calibration_method: CalibrationMethod,
    /// Move outliers of activations into the weights of the layers that read them: 0 leaves all as it is, 1 moves
    /// all, 0.5 is usual.
    #[arg(long, value_name = "A", default_value = "0", value_parser = strength)]
    smooth: f64,
}

fn strength(argument: &str) -> Result<f64, String> {
    let number = argument.parse().ok().filter(|a| (0.0..=1.0).contains(a));
    number.ok_or_else(|| "expected a number from 0 to 1, such as 0.5".into())
}

impl Arguments {
    pub fn options(&self) -> QuantiseOptions {
        let default = QuantiseOptions::default();
        QuantiseOptions {
            activation_bits: self.activation_bits.unwrap_or(default.activation_bits),
            calibration: self.calibration_method,
            ..default
        }
    }

    /// The model itself, or an equal one with fewer outliers.
    pub fn smoothed(&self, model: FloatModel, calibration: &Dataset) -> Result<FloatModel> {
        match self.smooth > 0.0 {
            true => Ok(model.smoothed(calibration, self.smooth)?),
            false => Ok(model),
        }
    }

    /// For people.
    pub fn line(&self) -> String {
        let bits = self.options().activation_bits;
        let smooth = match self.smooth > 0.0 {
            true => format!(", smoothed by {}", self.smooth),
            false => String::new(),
        };
        format!("{bits} bits for activations, ranges by {}{smooth}", self.calibration_method)
    }

    pub fn json(&self) -> Value {
        json!({
            "activation_bits": self.options().activation_bits,
            "calibration_method": self.calibration_method.to_string(),
            "smooth": self.smooth,
        })
    }
}
