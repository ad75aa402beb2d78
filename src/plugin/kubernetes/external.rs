//! ExternalName Services, and endpoints that are names: a CNAME, and what its target resolves to.
//!
//! A target in the zone is followed here, at most ten CNAMEs far; any other is asked of this server
//! from the top. What cannot be resolved leaves the CNAME alone; a target in the zone that has
//! nothing leaves nothing, as in CoreDNS.

use std::sync::Arc;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;

use super::{Asked, Resolved, State};
use crate::answer::{Answer, Body, Data, NameSpec, RecordSet, RecordsBuilder, Section};
use crate::chain::{Outcome, Reply};
use crate::kubernetes::name::{self, Parsed};
use crate::kubernetes::zone::{Entry, Found, Shape};
use crate::name::{MAX_NAME, Name};
use crate::query::Query;
use crate::wire::Flags;

/// CNAMEs that are followed within the zone.
const MOST_LINKS: usize = 10;

/// A way that ends outside the zone, or at records inside it.
struct Followed {
    /// Owner and target of each CNAME, from the question on.
    links: Vec<(Name, Name)>,
    end: End,
}

enum End {
    /// A name that another part of this server, or an upstream, must resolve.
    Outside(Name),
    /// Records of the last name.
    Inside(RecordSet),
    /// Nothing.
    Nowhere,
}

/// What a CNAME leads to within the zone.
enum At {
    /// The next CNAME; nothing where it leads to what is no name.
    Alias(Option<Name>),
    /// Addresses of the type that is asked for.
    Addresses(Data),
    /// Neither.
    Nothing,
}

/// What `Later` needs once the target's answer is there.
struct Waiting {
    state: Arc<State>,
    links: Vec<(Name, Name)>,
    negative: Answer,
}

/// Answers a question for addresses at an alias of this name.
pub(super) fn serve(
    state: &Arc<State>,
    query: &Query<'_>,
    asked: Asked<'_>,
    target: Option<Name>,
) -> Reply {
    let mut negative = state.negative(query, asked, ResponseCode::NoError);
    let followed = follow(state, query, asked, target);
    let mut answer = State::answer(query);
    match followed.end {
        End::Nowhere => {
            state.date(&mut negative);
            negative.into()
        }
        End::Inside(set) => {
            push_links(state, &mut answer, query, &followed.links);
            answer.push(query, set);
            state.date(&mut answer);
            answer.into()
        }
        End::Outside(target) => {
            let waiting = Waiting {
                state: state.clone(),
                links: followed.links,
                negative,
            };
            let waiting = Arc::new(waiting);
            let reply = query.server.resolve(query, target.view(), query.qtype);
            reply.then(&waiting, query, |waiting, query, outcome| {
                let mut outcome = waiting.finish(query, outcome);
                if let Outcome::Answer(answer) = &mut outcome {
                    waiting.state.date(answer);
                }
                outcome.into()
            })
        }
    }
}

/// Answers a question for the CNAME itself.
pub(super) fn cname_only(state: &State, query: &Query<'_>, target: Option<Name>) -> Resolved {
    let Some(target) = target else {
        return Resolved::NoData;
    };
    let mut answer = State::answer(query);
    answer.push(query, link(state, NameSpec::QNAME, target));
    Resolved::Found(answer)
}

/// The name that an ExternalName Service is an alias of.
pub(super) fn target(entry: &Entry) -> Option<Name> {
    let Shape::ExternalName(Some(text)) = entry.shape() else {
        return None;
    };
    Name::from_text(text).ok()
}

fn link(state: &State, owner: NameSpec, target: Name) -> RecordSet {
    let data = Data::Name(RecordType::CNAME, NameSpec::Full(target));
    RecordSet {
        section: Section::Answer,
        owner,
        ttl: state.ttl,
        data,
    }
}

fn push_links(state: &State, answer: &mut Answer, query: &Query<'_>, links: &[(Name, Name)]) {
    for (at, (owner, target)) in links.iter().enumerate() {
        let owner = if at == 0 {
            NameSpec::QNAME
        } else {
            NameSpec::Full(owner.clone())
        };
        answer.push(query, link(state, owner, target.clone()));
    }
}

fn follow(state: &State, query: &Query<'_>, asked: Asked<'_>, first: Option<Name>) -> Followed {
    let zone = query.lower.skip(usize::from(asked.zone_at));
    let mut links: Vec<(Name, Name)> = Vec::new();
    let mut owner = query.name.to_name();
    let mut next = first;
    let end = loop {
        let Some(target) = next else {
            break End::Nowhere;
        };
        let seen = |(_, earlier): &(Name, Name)| earlier.view().eq_ignore_case(target.view());
        // A name that leads to itself, or below, leads nowhere.
        let (own, other) = (owner.view().to_lower(), target.view().to_lower());
        if other.view().is_in(own.view()) || links.iter().any(seen) || links.len() > MOST_LINKS {
            break End::Nowhere;
        }
        links.push((owner, target.clone()));
        let mut lower = [0; MAX_NAME];
        let Some(head) = target.view().lower_into(&mut lower).strip_zone(zone) else {
            break End::Outside(target);
        };
        match at(state, query, asked, head) {
            At::Alias(target) => next = target,
            At::Addresses(data) => break inside(state, target, data),
            At::Nothing => break End::Nowhere,
        }
        owner = target;
    };
    Followed { links, end }
}

/// What stands at a name of the zone, of which these are the labels left of the zone.
fn at(state: &State, query: &Query<'_>, asked: Asked<'_>, head: &[u8]) -> At {
    let parsed = name::parse(head, asked.grammar);
    let data = if parsed == Parsed::NameServer && asked.has_name_server(query) {
        state.name_server_addresses(query, asked.zone_at)
    } else {
        match state.find(Asked { parsed, ..asked }) {
            Found::ExternalName(entry) => return At::Alias(target(&entry)),
            Found::Service(selection) => {
                if let Some(target) = selection.alias() {
                    return At::Alias(Name::from_text(target).ok());
                }
                match query.qtype {
                    RecordType::A => selection.v4().map(Data::from),
                    _ => selection.v6().map(Data::from),
                }
            }
            Found::Pod { address, .. } => {
                Some(super::records::of_address(address)).filter(|data| data.rtype() == query.qtype)
            }
            Found::Nothing | Found::Empty => None,
        }
    };
    data.map_or(At::Nothing, At::Addresses)
}

fn inside(state: &State, owner: Name, data: Data) -> End {
    End::Inside(RecordSet {
        section: Section::Answer,
        owner: NameSpec::Full(owner),
        ttl: state.ttl,
        data,
    })
}

impl Waiting {
    /// The CNAMEs, then the answer section of what the target resolved to.
    fn finish(&self, query: &Query<'_>, outcome: Outcome) -> Outcome {
        let mut answer = State::answer(query);
        push_links(&self.state, &mut answer, query, &self.links);
        match outcome {
            // No reply at all: as if the target had nothing.
            Outcome::Drop | Outcome::Transfer(_) => return Outcome::Answer(self.negative.clone()),
            Outcome::Failed(_) => {}
            Outcome::Answer(target) => {
                answer.flags = answer.flags.with(target.flags.and(Flags::TC));
                let mut builder = RecordsBuilder::default();
                answer.each(query, &mut |record| builder.push(&record));
                let Some((_, name)) = self.links.last() else {
                    return Outcome::Answer(answer);
                };
                let of_target = query.with_question(name.view(), name.view(), query.qtype);
                target.each(&of_target, &mut |record| {
                    if record.section == Section::Answer {
                        builder.push(&record);
                    }
                });
                answer.body = Body::Records(Arc::new(builder.finish()));
            }
        }
        Outcome::Answer(answer)
    }
}
