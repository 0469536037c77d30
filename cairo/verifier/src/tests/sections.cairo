//! What a proof costs, section by section: the tests do one section more each, and the runner prints gas and steps. Their
//! differences are in docs/src/starknet.md; `cargo test --test contracts -- --nocapture` prints them.
use crate::air::{evaluate, sample_counts, Challenges};
use crate::fields::QM31;
use crate::key::{parse, Key};
use crate::circle::Point;
use crate::openings::{check, started, Progress};
use crate::pcs::coefficients::{coefficients, Coefficients};
use crate::pcs::lines::lines;
use crate::proof::{Reader, ReaderTrait};
use crate::transcript::{run, Claims};
use veristar_fixtures::credit_risk_hidden::{CONTEXT, KEY, PROOF, PUBLIC, SECTIONS};

fn element() -> QM31 {
    QM31 { a: 1, b: 2, c: 3, d: 4 }
}

/// The values at the out-of-domain point: after two roots, the totals and two roots.
fn samples(key: @Key) -> Span<QM31> {
    let totals = ((*key.tables).len() + 1) / 2;
    let proof = PROOF.span();
    let start = 2 + totals + 2;
    let mut reader = Reader { felts: proof.slice(start, proof.len() - start) };
    let mut count = 8;
    for of_tree in sample_counts(key) {
        count += *of_tree;
    }
    reader.packed(count).values
}

#[test]
fn a_0_reading_the_key() {
    let _ = parse(KEY.span());
}

#[test]
fn a_1_unpacking_values() {
    let _ = samples(@parse(KEY.span()));
}

#[test]
fn a_2_constraints() {
    let key = parse(KEY.span());
    let samples = samples(@key);
    let (t, r, z) = (element(), element(), element());
    let (alpha, beta, delta) = (element(), element(), element());
    let mut claims = array![];
    while claims.len() != key.tables.len() {
        claims.append(element());
    }
    let challenges = Challenges { t, r, z, alpha, beta, delta };
    let _ = evaluate(@key, challenges, claims.span(), samples, element());
}

#[test]
fn a_3_coefficients() {
    let key = parse(KEY.span());
    let samples = samples(@key);
    let coefficients = coefficients(@key, element());
    let point = Point { x: element(), y: element() };
    let _ = lines(@key, point, samples, coefficients);
}

fn ran(key: @Key) -> (Claims, Coefficients, Reader) {
    let mut reader = Reader { felts: PROOF.span() };
    let (claims, coefficients) = run(key, CONTEXT, PUBLIC.span(), ref reader);
    (claims, coefficients, reader)
}

#[test]
fn b_0_transcript() {
    let key = parse(KEY.span());
    let _ = ran(@key);
}

/// Checks this many sections after the transcript.
fn checked(sections: u32) {
    let key = parse(KEY.span());
    let (claims, coefficients, reader) = ran(@key);
    let mut length = 0;
    for section in SECTIONS.span().slice(1, sections) {
        length += *section;
    }
    let mut reader = Reader { felts: reader.felts.slice(0, length) };
    let mut progress: Progress = started();
    check(@key, @claims, coefficients, ref progress, ref reader);
    assert(progress.done == sections, 'sections');
}

#[test]
fn b_1_rows() {
    checked(20);
}

#[test]
fn b_2_paths() {
    checked(26);
}

#[test]
fn b_3_folding() {
    checked(27);
}
