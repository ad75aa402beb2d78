//! `lint`: every name that manifests mention, looked up from where it is mentioned.

use std::process::ExitCode;

use super::lookup::{Cluster, Reading};
use crate::lookup::lint::{Findings, Lint};
use crate::lookup::workload;
use crate::resolver::Libc;

/// Look up every name that manifests mention, before they are deployed.
///
/// Names in variables, ConfigMaps, arguments, Ingress backends and StatefulSets are looked up from
/// the pods that have them, with the search path that Kubernetes gives these. What does not resolve
/// is told with its file, line and the likely fix; and so is what takes more queries than it needs.
///
///   helm template . | callsign lint --manifests -
///
/// Exit code: 0 all resolve, 1 some do not or manifests are wrong, 2 the command line is wrong.
#[derive(clap::Args, Debug)]
#[command(verbatim_doc_comment)]
pub(super) struct Arguments {
    #[command(flatten)]
    reading: Reading,

    /// Whose resolver programs have: glibc, musl, musl-1.2.3 or go.
    #[arg(long, value_name = "LIBC", default_value = "glibc", value_parser = super::lookup::libc)]
    libc: Libc,

    /// The form of what is printed.
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: super::Format,
}

/// Looks them up, and returns the program's exit code.
pub(super) fn run(arguments: &Arguments) -> ExitCode {
    match lint(arguments) {
        Ok(findings) => {
            match arguments.format {
                super::Format::Text => super::print(&findings.text()),
                super::Format::Json => super::print_json(&findings),
            }
            ExitCode::from(u8::from(!findings.is_clean()))
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

fn lint(arguments: &Arguments) -> Result<Findings, String> {
    let runtime = super::runtime()?;
    let cluster = Cluster::read(&arguments.reading, &runtime)?;
    let documents = workload::documents(&cluster.texts);
    let around = super::lookup::surroundings(Some(&cluster));
    let lint = Lint {
        texts: &cluster.texts,
        documents: &documents,
        inventory: &cluster.inventory,
        around: &around,
        libc: arguments.libc,
    };
    let mut findings = lint.run(&mut cluster.names_for(None, &runtime));
    findings.unread = cluster.errors().collect();
    Ok(findings)
}
