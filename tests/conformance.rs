//! ONNX's own backend tests, from file to checked trace, and a sample of them to verified proofs.
#![cfg(feature = "cli")]

#[path = "conformance/cases.rs"]
mod cases;
#[path = "conformance/manifest.rs"]
mod manifest;
#[path = "conformance/npy.rs"]
mod npy;
#[path = "conformance/pipeline.rs"]
mod pipeline;

#[test]
fn explore() {
    let root = std::path::PathBuf::from(std::env::var("VERISTAR_CASES").unwrap());
    let (cases, _) = cases::read(&root).unwrap();
    let only = std::env::var("ONLY").unwrap_or_default();
    let prove = std::env::var("PROVE").is_ok();
    let mut n = std::collections::BTreeMap::<String, usize>::new();
    for case in cases.iter().filter(|c| c.name.contains(&only)) {
        let start = std::time::Instant::now();
        let result = std::panic::catch_unwind(|| pipeline::run(case, prove));
        let ms = start.elapsed().as_millis();
        match result {
            Ok(r) => {
                let line = manifest::describe(&r);
                *n.entry(line.clone()).or_default() += 1;
                println!(
                    "{ms:5} {} {line} {}",
                    case.name,
                    match &r {
                        Ok(p) => format!("{:?}", p),
                        Err(pipeline::Failed::Refused(e)) =>
                            e.to_string().chars().take(300).collect(),
                        _ => String::new(),
                    }
                );
            }
            Err(p) => {
                println!("{ms:5} {} PANIC {:?}", case.name, p.downcast_ref::<String>());
            }
        }
    }
    for (l, n) in n {
        println!("## {n} {l}");
    }
}
