//! The lines of a `forward`'s block.

use std::net::SocketAddr;
use std::time::Duration;

use super::Stanza;
use crate::corefile::{Cursor, Diagnostic, Token};
use crate::name::Name;
use crate::plugin::forward::policy::Policy;
use crate::plugin::forward::rcode::rcode_of;

/// The lines of its block, by their first words.
pub(in crate::plugin) const OPTIONS: &[&str] = &[
    "except",
    "force_tcp",
    "prefer_udp",
    "expire",
    "max_age",
    "max_idle_conns",
    "read_timeout",
    "max_fails",
    "max_connect_attempts",
    "doh_method",
    "tls",
    "tls_servername",
    "policy",
    "health_check",
    "max_concurrent",
    "next",
    "next_on_nodata",
    "failfast_all_unhealthy_upstreams",
    "failover",
    "resolver",
    "source_address",
];

impl<'t> Stanza<'t> {
    /// Reads the line of which the cursor is at the first word.
    pub(super) fn option(
        &mut self,
        cursor: &mut Cursor<'t>,
        warnings: &mut Vec<Diagnostic>,
    ) -> Result<(), Diagnostic> {
        let option = cursor.text();
        let config = &mut self.config;
        match option {
            "except" => return self.except(cursor, warnings),
            "force_tcp" => config.force_tcp = flag(cursor)?,
            "prefer_udp" => config.prefer_udp = flag(cursor)?,
            "next_on_nodata" => config.next_on_nodata = flag(cursor)?,
            "failfast_all_unhealthy_upstreams" => config.failfast = flag(cursor)?,
            "expire" => config.upstream.expire = one(cursor)?.duration()?,
            "max_age" => {
                let token = one(cursor)?;
                config.upstream.max_age = token.duration()?;
                self.max_age = Some(token);
            }
            "read_timeout" => config.read_timeout = positive(one(cursor)?)?,
            "max_idle_conns" => config.upstream.max_idle = number(one(cursor)?)? as usize,
            "max_fails" => config.max_fails = unsigned(one(cursor)?)?,
            "max_connect_attempts" => {
                let most = unsigned(one(cursor)?)?;
                config.max_connect_attempts = Some((most > 0).then_some(most as usize));
            }
            "max_concurrent" => {
                let most = one(cursor)?.integer(0..=i64::MAX)?;
                config.max_concurrent = (most > 0).then_some(most);
            }
            "policy" => config.policy = policy(one(cursor)?)?,
            "health_check" => return self.health_check(cursor),
            "next" => {
                for token in some(cursor)? {
                    config.next.push(rcode(token)?);
                }
            }
            "failover" => {
                for token in some(cursor)? {
                    config.failover.push(failover(token)?);
                }
            }
            "doh_method" | "tls" | "tls_servername" => return self.encrypted(cursor),
            "resolver" | "source_address" => return self.addresses(cursor),
            _ => return Err(cursor.unknown_property(OPTIONS)),
        }
        Ok(())
    }

    fn except(
        &mut self,
        cursor: &mut Cursor<'t>,
        warnings: &mut Vec<Diagnostic>,
    ) -> Result<(), Diagnostic> {
        for token in some(cursor)? {
            // CoreDNS passes over what is no zone; so a typing error forwards what should not be.
            let ignored = |why: &dyn std::fmt::Display| {
                Diagnostic::warning(format!("ignored: {why}")).at(token.place())
            };
            match token.zones() {
                Err(error) => warnings.push(ignored(&error.message())),
                Ok(zones) => {
                    for zone in zones {
                        match Name::from_text(&zone) {
                            Ok(name) => self.config.except.push(name),
                            Err(error) => warnings.push(ignored(&error)),
                        }
                    }
                }
            }
        }
        Ok(())
    }

    fn health_check(&mut self, cursor: &mut Cursor<'t>) -> Result<(), Diagnostic> {
        let check = &mut self.config.upstream.check;
        check.interval = one(cursor)?.duration()?;
        check.domain = Name::root();
        while let Some(token) = cursor.next_arg() {
            match token.text() {
                "no_rec" => check.recursion = false,
                "domain" => {
                    let token = one(cursor)?;
                    let name = Name::from_text(token.text()).map_err(|error| {
                        let text = token.text();
                        token.err(format!("health_check: invalid domain name {text}: {error}"))
                    })?;
                    check.domain = name.view().to_lower();
                }
                other => {
                    let error = token.err(format!("health_check: unknown option {other}"));
                    return Err(error.expected("no_rec or domain FQDN", format_args!("'{other}'")));
                }
            }
        }
        Ok(())
    }

    fn encrypted(&mut self, cursor: &mut Cursor<'t>) -> Result<(), Diagnostic> {
        match cursor.text() {
            "doh_method" => {
                let token = one(cursor)?;
                if !matches!(token.text(), "POST" | "GET") {
                    let error = token.err("doh_method must be either POST or GET");
                    return Err(error.expected("POST or GET", format_args!("'{}'", token.text())));
                }
                self.doh_get = token.text() == "GET";
            }
            "tls" => {
                let option = cursor.token();
                let files = cursor.remaining_args();
                if files.len() > 3 {
                    return Err(cursor.arg_err());
                }
                let files = files.iter().map(|file| file.text().to_owned()).collect();
                self.tls = option.map(|option| (option, files));
            }
            _ => self.tls_servername = Some(one(cursor)?.text().to_owned()),
        }
        Ok(())
    }

    fn addresses(&mut self, cursor: &mut Cursor<'t>) -> Result<(), Diagnostic> {
        if cursor.text() == "source_address" {
            let token = one(cursor)?;
            let text = token.text();
            let address = text.parse();
            self.config.upstream.source =
                Some(address.map_err(|_| token.err(format!("invalid IP address: {text}")))?);
            return Ok(());
        }
        let mut resolvers = Vec::new();
        for token in some(cursor)? {
            let error = || {
                let text = token.text();
                token.err(format!(
                    "resolver must be an IP address or IP:port: {text:?}"
                ))
            };
            let address = token.address(53).map_err(|_| error())?;
            let host = address.host.split('%').next().unwrap_or_default();
            let host = host.parse().map_err(|_| error())?;
            resolvers.push(SocketAddr::new(host, address.port));
        }
        self.config.resolvers = resolvers;
        Ok(())
    }
}

/// The next word of the line, which must be there.
fn one<'t>(cursor: &mut Cursor<'t>) -> Result<&'t Token, Diagnostic> {
    cursor.next_arg().ok_or_else(|| cursor.arg_err())
}

/// The other words of the line, at least one.
fn some<'t>(cursor: &mut Cursor<'t>) -> Result<Vec<&'t Token>, Diagnostic> {
    let tokens = cursor.remaining_args();
    match tokens.is_empty() {
        true => Err(cursor.arg_err()),
        false => Ok(tokens),
    }
}

/// An option that is there or not: nothing may follow.
fn flag(cursor: &mut Cursor<'_>) -> Result<bool, Diagnostic> {
    match cursor.next_arg() {
        Some(_) => Err(cursor.arg_err()),
        None => Ok(true),
    }
}

fn number(token: &Token) -> Result<u32, Diagnostic> {
    let number = token.integer(0..=u32::MAX.into())?;
    Ok(u32::try_from(number).unwrap_or(u32::MAX))
}

/// The same without a sign.
fn unsigned(token: &Token) -> Result<u32, Diagnostic> {
    if token.text().starts_with('+') {
        let error = token.err(format!("invalid number {:?}", token.text()));
        return Err(error.help("leave out the '+'"));
    }
    number(token)
}

fn positive(token: &Token) -> Result<Duration, Diagnostic> {
    let text = token.text();
    let error = || {
        token
            .err(format!("read_timeout must be positive: {text}"))
            .help("leave the option out for 2s")
    };
    match token.signed_nanoseconds()? {
        ..=0 => Err(error()),
        nanoseconds => {
            let nanoseconds = u64::try_from(nanoseconds).map_err(|_| error())?;
            Ok(Duration::from_nanos(nanoseconds))
        }
    }
}

fn policy(token: &Token) -> Result<Policy, Diagnostic> {
    let text = token.text();
    Policy::of(text).ok_or_else(|| {
        token.err(format!("unknown policy '{text}'")).expected(
            "random, round_robin or sequential",
            format_args!("'{text}'"),
        )
    })
}

fn rcode(token: &Token) -> Result<u16, Diagnostic> {
    let text = token.text();
    rcode_of(text).ok_or_else(|| {
        token
            .err(format!("{text} is not a valid rcode"))
            .help("write response codes like NXDOMAIN, SERVFAIL or REFUSED")
    })
}

fn failover(token: &Token) -> Result<u16, Diagnostic> {
    match rcode(token)? {
        0 => Err(token
            .err("NoError cannot be used in failover")
            .help("for answers without records there is next_on_nodata")),
        code => Ok(code),
    }
}
