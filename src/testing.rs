//! What tests share: asking a chain a question given as text, and reading the reply as text.
//!
//! The reply is rendered by this crate and read back by hickory-proto, so a test of a plugin also
//! holds the renderer to what another library understands.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::FutureExt;
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::{Record, RecordType};
use hickory_proto::serialize::binary::{BinEncodable, BinEncoder, NameEncoding};
use proptest::test_runner::Config as ProptestConfig;
use tokio::time::Instant;

use crate::answer::{Answer, Origin, RdataRef, RecordRef, RecordsBuilder, Section};
use crate::app::plan;
pub use crate::app::plan::{Inputs, Plan};
use crate::chain::{Chain, Next, Plugin, Reply};
use crate::corefile::{Corefile, Diagnostic, Errors, Input, Memory};
use crate::name::Name;
use crate::plugin::setup::{BlockSetup, Listen, Setup, Shared};
use crate::query::{Query, Transport};
use crate::server::{Arrival, Block, Handled, Observer, Server};
use crate::wire::Flags;

/// How a property is tried: with so many cases, or with as many as `PROPTEST_CASES` says.
#[must_use]
pub fn cases(number: u32) -> ProptestConfig {
    let told = ProptestConfig::default();
    let is_told = std::env::var_os("PROPTEST_CASES").is_some();
    ProptestConfig {
        cases: if is_told { told.cases } else { number },
        ..told
    }
}

/// A name from text that is one.
#[must_use]
pub fn n(text: &str) -> Name {
    Name::from_text(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// An observer that looks away.
pub struct NoObserver;

impl Observer for NoObserver {
    fn dropped(&self, _: &Query<'_>, _: ResponseCode) {}
    fn panicked(&self, what: &str) {
        panic!("a plugin panicked: {what}");
    }
}

/// A listener `dns://:53` whose root zone this chain serves.
#[must_use]
pub fn server(chain: &Arc<Chain>) -> Arc<Server> {
    let block = Block {
        zone: Name::root(),
        view: "".into(),
        filters: Vec::new(),
        chain: chain.clone(),
        metadata: None,
    };
    Server::new(
        "dns://:53",
        (0, 1),
        [Arc::new(block)],
        true,
        Arc::new(NoObserver),
    )
}

/// What a Corefile asks for, read with these files and started in no part.
///
/// # Errors
/// All that is wrong with it, one line each.
pub fn planned(text: &str, files: &Memory) -> Result<Plan, Vec<String>> {
    let inputs = Inputs {
        dns_port: 53,
        metrics: Arc::default(),
        settings: Arc::default(),
        previous: HashMap::new(),
        environment: files,
    };
    planned_with(text, inputs)
}

/// The same with all that a plan is made from.
///
/// # Errors
/// All that is wrong with it, one line each.
pub fn planned_with(text: &str, inputs: Inputs<'_>) -> Result<Plan, Vec<String>> {
    let lines = |errors: Errors| errors.errors().iter().map(Diagnostic::headline).collect();
    let (input, known) = (Input::text("Corefile", text), crate::plugin::names());
    let corefile = Corefile::load(input, inputs.environment, &known).map_err(lines)?;
    plan::plan(&corefile, inputs).map_err(lines)
}

/// One listener, `dns://:53`, for all server blocks of a Corefile, none of whose tasks is started.
///
/// # Panics
/// The Corefile cannot be used.
#[must_use]
pub fn listener(text: &str) -> Arc<Server> {
    let plan = planned(text, &Memory::default())
        .unwrap_or_else(|errors| panic!("{text}\n{}", errors.join("\n")));
    let any_class = plan.sites.iter().any(|site| site.listen.any_class);
    let blocks = plan.sites.iter().map(|site| site.block.clone());
    Server::new("dns://:53", (0, 1), blocks, any_class, Arc::new(NoObserver))
}

/// The same with a file, by its absolute path.
///
/// # Panics
/// The Corefile cannot be used.
#[must_use]
pub fn listener_with_file(text: &str, path: &str, content: &str) -> Arc<Server> {
    let files = Memory::default().with_file(path, content);
    let plan =
        planned(text, &files).unwrap_or_else(|errors| panic!("{text}\n{}", errors.join("\n")));
    let blocks = plan.sites.iter().map(|site| site.block.clone());
    Server::new("dns://:53", (0, 1), blocks, false, Arc::new(NoObserver))
}

/// The one error of a server block with these lines; its own first line is line 2.
#[must_use]
pub fn setup_error(lines: &str) -> String {
    let text = format!("example.org {{\n{lines}\n}}\n");
    match planned(&text, &Memory::default()) {
        Ok(_) => panic!("no error:\n{text}"),
        Err(errors) => errors.join("\n"),
    }
}

/// A question: `Ask::new("name. TYPE")`, then what is unusual about it.
#[derive(Clone, Debug)]
pub struct Ask {
    name: Name,
    qtype: RecordType,
    /// The class's number.
    pub class: u16,
    /// Header flags; RD unless changed.
    pub flags: Flags,
    /// The message's id.
    pub id: u16,
    /// The OPT: payload size, flags, options.
    pub opt: Option<(u16, u16, Vec<u8>)>,
    /// Who asks.
    pub client: SocketAddr,
    /// How.
    pub transport: Transport,
    /// When.
    pub now: Instant,
}

impl Ask {
    /// Asks for `name TYPE` over UDP from 10.240.0.1, recursion desired, no EDNS.
    #[must_use]
    pub fn new(question: &str) -> Self {
        let (name, qtype) = question.split_once(' ').unwrap_or((question, "A"));
        Self {
            name: n(name),
            qtype: qtype.trim().parse().unwrap_or_else(|_| {
                let number = qtype
                    .trim()
                    .strip_prefix("TYPE")
                    .and_then(|text| text.parse::<u16>().ok());
                number.unwrap_or_else(|| panic!("no type: {qtype}")).into()
            }),
            class: 1,
            flags: Flags::RD,
            id: 0x1234,
            opt: None,
            client: SocketAddr::from(([10, 240, 0, 1], 40212)),
            transport: Transport::Udp,
            now: Instant::now(),
        }
    }

    /// Over TCP.
    #[must_use]
    pub fn tcp(mut self) -> Self {
        self.transport = Transport::Tcp;
        self
    }

    /// With an OPT that tells this size.
    #[must_use]
    pub fn edns(mut self, size: u16) -> Self {
        self.opt = Some((size, 0, Vec::new()));
        self
    }

    /// With an OPT of 4096 bytes and DO.
    #[must_use]
    pub fn dnssec(mut self) -> Self {
        self.opt = Some((4096, 0x8000, Vec::new()));
        self
    }

    /// With these flags instead of RD alone.
    #[must_use]
    pub fn flags(mut self, flags: Flags) -> Self {
        self.flags = flags;
        self
    }

    /// At this instant.
    #[must_use]
    pub fn at(mut self, now: Instant) -> Self {
        self.now = now;
        self
    }

    /// From this address.
    #[must_use]
    pub fn from(mut self, client: SocketAddr) -> Self {
        self.client = client;
        self
    }

    /// The request as bytes.
    #[must_use]
    pub fn packet(&self) -> Vec<u8> {
        let mut packet = Vec::new();
        packet.extend_from_slice(&self.id.to_be_bytes());
        packet.extend_from_slice(&self.flags.bits().to_be_bytes());
        packet.extend_from_slice(&[0, 1, 0, 0, 0, 0, 0, u8::from(self.opt.is_some())]);
        packet.extend_from_slice(self.name.view().as_bytes());
        packet.extend_from_slice(&u16::from(self.qtype).to_be_bytes());
        packet.extend_from_slice(&self.class.to_be_bytes());
        if let Some((size, flags, options)) = &self.opt {
            packet.extend_from_slice(&[0, 0, 41]);
            packet.extend_from_slice(&size.to_be_bytes());
            packet.extend_from_slice(&[0, 0]);
            packet.extend_from_slice(&flags.to_be_bytes());
            packet.extend_from_slice(&(options.len() as u16).to_be_bytes());
            packet.extend_from_slice(options);
        }
        packet
    }

    /// Asks a chain, waiting for what comes later.
    pub async fn ask(&self, chain: &Arc<Chain>) -> Told {
        self.ask_server(&server(chain)).await
    }

    /// Asks a listener.
    pub async fn ask_server(&self, server: &Arc<Server>) -> Told {
        let mut out = Vec::new();
        let arrival = Arrival {
            client: self.client,
            local: SocketAddr::from(([10, 96, 0, 10], 53)),
            transport: self.transport,
            now: self.now,
        };
        match server.handle(&self.packet(), arrival, &mut out) {
            Handled::Replied => Told::read(out),
            Handled::Silent => Told::default(),
            Handled::Later(future) => future.await.map(Told::read).unwrap_or_default(),
            Handled::Transfer(..) => panic!("a transfer"),
        }
    }

    /// Asks a chain that needs no waiting.
    #[must_use]
    pub fn now(&self, chain: &Arc<Chain>) -> Told {
        self.ask(chain)
            .now_or_never()
            .unwrap_or_else(|| panic!("{self:?}: the reply waits"))
    }
}

/// A reply as text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// The bytes; empty for silence.
    pub bytes: Vec<u8>,
    /// The response code as `NOERROR`; `-` for silence.
    pub rcode: String,
    /// The flags without QR.
    pub flags: Flags,
    /// Records as `owner ttl class type rdata`.
    pub answer: Vec<String>,
    /// The same of the authority section.
    pub authority: Vec<String>,
    /// The same of the additional section, without the OPT.
    pub additional: Vec<String>,
    /// The OPT's payload size.
    pub opt: Option<u16>,
}

impl Told {
    /// Reads a reply by means of hickory-proto.
    #[must_use]
    pub fn read(bytes: Vec<u8>) -> Self {
        let message =
            Message::from_vec(&bytes).unwrap_or_else(|error| panic!("{error}: {bytes:02x?}"));
        let text = |records: &[Record]| records.iter().map(record_text).collect();
        Self {
            rcode: rcode_text(message.metadata.response_code),
            flags: Flags::from_bits(crate::wire::u16_at(&bytes, 2).unwrap_or(0)).without(Flags::QR),
            answer: text(&message.answers),
            authority: text(&message.authorities),
            additional: text(&message.additionals),
            opt: message.edns.as_ref().map(|edns| edns.max_payload()),
            bytes,
        }
    }
}

/// `NOERROR`, `NXDOMAIN`, ...
#[must_use]
pub fn rcode_text(rcode: ResponseCode) -> String {
    match rcode {
        ResponseCode::NoError => "NOERROR".into(),
        ResponseCode::FormErr => "FORMERR".into(),
        ResponseCode::ServFail => "SERVFAIL".into(),
        ResponseCode::NXDomain => "NXDOMAIN".into(),
        ResponseCode::NotImp => "NOTIMP".into(),
        ResponseCode::Refused => "REFUSED".into(),
        ResponseCode::BADVERS | ResponseCode::BADSIG => "BADVERS".into(),
        other => format!("{other:?}"),
    }
}

fn record_text(record: &Record) -> String {
    format!(
        "{} {} {} {} {}",
        record.name,
        record.ttl,
        record.dns_class,
        record.record_type(),
        record.data
    )
}

/// Records from zone-file lines (`owner ttl IN TYPE rdata`), as a plugin would hold them.
#[must_use]
pub fn records(sections: [&[&str]; 3]) -> crate::answer::Records {
    let mut builder = RecordsBuilder::default();
    let named = [Section::Answer, Section::Authority, Section::Additional];
    for (section, lines) in named.into_iter().zip(sections) {
        for line in lines {
            push_line(&mut builder, section, line);
        }
    }
    builder.finish()
}

fn push_line(builder: &mut RecordsBuilder, section: Section, line: &str) {
    let mut fields = line.split_whitespace();
    let mut field = || fields.next().unwrap_or_else(|| panic!("too short: {line}"));
    let (owner, ttl, _class, rtype) = (n(field()), field(), field(), field());
    let rtype: RecordType = rtype.parse().unwrap_or_else(|_| panic!("no type: {line}"));
    let rest: Vec<&str> = fields.collect();
    let data = hickory_proto::rr::RData::try_from_str(rtype, &rest.join(" "))
        .unwrap_or_else(|error| panic!("{line}: {error}"));
    let mut rdata = Vec::new();
    let mut encoder = BinEncoder::new(&mut rdata);
    encoder.set_name_encoding(NameEncoding::Uncompressed);
    data.emit(&mut encoder)
        .unwrap_or_else(|error| panic!("{line}: {error}"));
    builder.push(&RecordRef {
        section,
        owner: owner.view().into(),
        rtype,
        class: hickory_proto::rr::DNSClass::IN,
        ttl: ttl.parse().unwrap_or_else(|_| panic!("no ttl: {line}")),
        rdata: RdataRef::Other(&rdata),
    });
}

/// What the setup of one directive gave and collected.
pub struct SetUp<T> {
    /// What it gave.
    pub value: T,
    /// The plugins that it added.
    pub plugins: Vec<Arc<dyn Plugin>>,
    /// The warnings, as `LINE:COLUMN: MESSAGE`.
    pub warnings: Vec<String>,
}

/// Runs the setup of a directive of the first server block of a Corefile.
pub fn set_up<T>(
    corefile: &str,
    directive: &str,
    shared: &mut Shared,
    setup: impl FnOnce(&mut Setup<'_>) -> T,
) -> SetUp<T> {
    set_up_with(corefile, directive, &Memory::default(), shared, setup)
}

/// The same with files and variables.
pub fn set_up_with<T>(
    corefile: &str,
    directive: &str,
    environment: &Memory,
    shared: &mut Shared,
    setup: impl FnOnce(&mut Setup<'_>) -> T,
) -> SetUp<T> {
    let input = Input::text("Corefile", corefile);
    let corefile = Corefile::load(input, environment, &crate::plugin::names())
        .unwrap_or_else(|errors| panic!("{errors}"));
    let source = &corefile.blocks()[0];
    let mut block = BlockSetup {
        zones: source.zones().map(|zone| n(zone.name)).collect(),
        view: "".into(),
        root: "/".into(),
        port: 53,
        plugins: Vec::new(),
        filters: Vec::new(),
        metadata: None,
        listen: Listen::default(),
        ready: false,
    };
    let mut warnings = Vec::new();
    let value = setup(&mut Setup {
        directive: source
            .directive(directive)
            .unwrap_or_else(|| panic!("no {directive}")),
        source,
        environment,
        block: &mut block,
        shared,
        warnings: &mut warnings,
    });
    SetUp {
        value,
        plugins: block.plugins,
        warnings: warnings.iter().map(place_and_message).collect(),
    }
}

/// `LINE:COLUMN: MESSAGE`, and `; HELP` where there is one.
#[must_use]
pub fn place_and_message(diagnostic: &Diagnostic) -> String {
    let mut text = String::new();
    if let Some(place) = diagnostic.place() {
        text = format!("{}:{}: ", place.line(), place.column());
    }
    text.push_str(diagnostic.message());
    if let Some(help) = diagnostic.help_text() {
        text = format!("{text}; {help}");
    }
    text
}

/// A plugin at the end of a chain that answers every question the same, and counts them.
pub struct Stub {
    /// How often it was asked.
    pub asked: Arc<AtomicUsize>,
    make: Box<dyn Fn(&Query<'_>) -> Reply + Send + Sync>,
}

impl Stub {
    /// Answers by means of a function.
    pub fn new(make: impl Fn(&Query<'_>) -> Reply + Send + Sync + 'static) -> Self {
        Self {
            asked: Arc::default(),
            make: Box::new(make),
        }
    }

    /// Answers with these records (answer, authority, additional) and this code, as an upstream
    /// would.
    #[must_use]
    pub fn upstream(rcode: ResponseCode, sections: [&[&str]; 3]) -> Self {
        let records = Arc::new(records(sections));
        Self::new(move |query| {
            let mut answer = Answer::new(query, "forward", Origin::Upstream).with_rcode(rcode);
            answer.flags = answer.flags.with(Flags::RA);
            answer.body = crate::answer::Body::Records(records.clone());
            answer.into()
        })
    }
}

impl Plugin for Stub {
    fn name(&self) -> &'static str {
        "stub"
    }

    fn serve(&self, query: &Query<'_>, _: Next<'_>) -> Reply {
        self.asked.fetch_add(1, Ordering::Relaxed);
        (self.make)(query)
    }
}
