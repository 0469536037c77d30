//! Every example model that the other suites list, from its ONNX file: honest witnesses and altered ones
//! before the three judges. A few cells of each table: `main.rs` goes through all columns of all chips.

use super::{agree_on, alter, Alteration, Judges};
use std::path::{Path, PathBuf};
use veristar_onnx::report::quantise_inputs;
use veristar_onnx::{quantise, Dataset, FloatModel, QuantiseOptions};
use veristar_winterfell::prover::prove::{prove_altered, Stage, Trace};
use veristar_winterfell::{setup, verify, Precision, Prepared, Preset, SetupOptions};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures")
}

/// At most `most` cells: every stage of every table in turn, spread over columns and rows.
fn some(prepared: &Prepared, most: usize) -> Vec<Alteration> {
    let tables: Vec<_> = prepared.layout().instances.iter().enumerate().collect();
    let mut all = Vec::new();
    for round in 0..most {
        for (table, instance) in &tables {
            let used = prepared.program.tables[*table].used;
            let shape = instance.shape();
            let stages = [
                (Stage::Values, shape.values),
                (Stage::Evaluations, shape.evaluations),
                (Stage::Sums, shape.sums()),
            ];
            let (stage, columns) = stages[(round + table) % stages.len()];
            if columns > 0 {
                let column = (7919 * round + 31 * table) % columns;
                let row = Some((104_729 * round + 7 * table) % used);
                all.push(Alteration { stage, table: *table, column, row });
            }
        }
    }
    // Not only the first tables: one of every so many.
    let step = all.len().div_ceil(most).max(1);
    all.into_iter().step_by(step).collect()
}

fn model(name: &str, calibration: &str, most: usize) {
    let at = |file: String| fixtures().join(file);
    let float = FloatModel::load(at(format!("{name}.onnx"))).expect(name);
    let data = Dataset::load(at(calibration.to_string()), &float).expect(calibration);
    let graph = quantise(&float, &data, &QuantiseOptions::default()).expect(name).graph;
    let inputs = vec![quantise_inputs(&graph, &data.rows[0])];
    let judges = Judges::new(&graph, inputs);
    let alterations = some(&judges.winterfell, most);
    agree_on(name, &judges, alterations);
}

/// With sums that 31 bits do not hold there are two judges: this backend's row checker and its verifier.
fn high_precision(name: &str, calibration: &str, most: usize) {
    let at = |file: &str| fixtures().join(file);
    let float = FloatModel::load(at(&format!("{name}.onnx"))).expect(name);
    let data = Dataset::load(at(calibration), &float).expect(calibration);
    let options =
        QuantiseOptions { precision: veristar_onnx::Precision::High, ..QuantiseOptions::default() };
    let graph = quantise(&float, &data, &options).expect(name).graph;
    let inputs = vec![quantise_inputs(&graph, &data.rows[0])];
    let public = graph.outputs.iter().copied().collect();
    let (preset, precision) = (Preset::Fast, Precision::High);
    let package = setup(graph, &SetupOptions { preset, precision, batch: 1, public });
    let prepared = Prepared::new(package.expect("setup")).expect("prepare");
    let judge = |alteration: Option<Alteration>| {
        let mut change = |stage: Stage, trace: &mut Trace| {
            if let Some(alteration) = alteration.filter(|a| a.stage == stage) {
                alter(&prepared, alteration, trace);
            }
        };
        let (proof, fault) = prove_altered(&prepared, &inputs, &mut change).expect("a proof");
        [fault.is_none(), verify(&prepared.package.key, &proof).is_ok()]
    };
    assert_eq!(judge(None), [true; 2], "{name}: honest");
    let (mut refused, alterations) = (0, some(&prepared, most));
    let all = alterations.len();
    for alteration in alterations {
        let [checker, winterfell] = judge(Some(alteration));
        assert_eq!(checker, winterfell, "{name}, {alteration:?}");
        refused += usize::from(!checker);
    }
    println!("{name}, high precision: {refused} of {all} alterations refused by both");
    assert!(refused > 0);
}

#[test]
fn with_high_precision() {
    high_precision("credit_risk", "credit_risk.calibration.npz", 30);
    high_precision("ml/credit_lightgbm", "ml/credit.calibration.npz", 30);
    high_precision("digits", "digits.calibration.npz", 20);
}

fn calibrated(name: &str, most: usize) {
    model(name, &format!("{name}.calibration.npz"), most);
}

#[test]
fn on_the_examples() {
    for name in ["credit_risk", "breast_cancer", "digits", "char_lstm", "char_gru"] {
        calibrated(name, 24);
    }
    for name in ["lenet", "transformer"] {
        calibrated(name, 12);
    }
}

#[test]
fn on_a_large_example() {
    calibrated("ocr_cls", 4);
}

#[test]
fn on_quantised_files() {
    model("credit_risk_dynamic", "credit_risk.calibration.npz", 16);
    for name in ["lenet_qdq", "lenet_qlinear"] {
        model(name, "lenet.calibration.npz", 8);
    }
}

#[test]
fn on_convolutions_of_all_sizes() {
    for name in ["conv_base", "conv_side_doubled", "conv_outputs_doubled"] {
        calibrated(name, 16);
    }
}

#[test]
fn on_recurrent_layers() {
    for cell in ["gru", "lstm", "rnn"] {
        for kind in ["", "_bidirectional", "_states"] {
            calibrated(&format!("recurrent/{cell}{kind}"), 12);
        }
    }
}

#[test]
fn on_credit_ensembles() {
    for name in ["credit_forest", "credit_lightgbm", "credit_xgboost"] {
        model(&format!("ml/{name}"), "ml/credit.calibration.npz", 24);
    }
}

#[test]
fn on_classical_models() {
    for name in [
        "forest_3_classes",
        "boosted_3_classes",
        "boosted_2_classes",
        "boosted_regressor",
        "scaled_tree",
        "logistic",
        "softmax",
        "normalised_l2",
        "normalised_l1",
        "svr_rbf",
        "svr_poly",
        "svr_linear",
        "svc_rbf",
        "svc_probability",
    ] {
        model(&format!("ml/{name}"), &format!("ml/{name}.npz"), 10);
    }
}
