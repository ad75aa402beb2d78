//! `view`: a server block for the queries that meet conditions, beside others of the same zone.
//!
//! The server asks the filter before the block's chain; the plugin itself only knows its name.

use std::sync::Arc;

use super::expression::{Context, Expression, Scope};
use super::setup::{Setup, SetupError};
use crate::chain::{Next, Plugin, Reply};
use crate::query::Query;
use crate::server::Filter;

/// The lines of its block, by their first words.
pub(super) const OPTIONS: &[&str] = &["expr"];

/// Reads `view NAME { expr EXPRESSION }`, with any number of conditions.
///
/// # Errors
/// No name, or several; options that there are not; what is no expression; the directive standing
/// twice.
pub fn setup(setup: &mut Setup<'_>) -> Result<(), SetupError> {
    setup.once()?;
    let mut cursor = setup.directive.cursor();
    cursor.next_token();
    let [name] = cursor.remaining_args()[..] else {
        return Err(cursor.arg_err().help("write the view's name: view NAME"));
    };
    let mut conditions = Vec::new();
    while let Some(option) = cursor.next_block() {
        if option.text() != "expr" {
            return Err(cursor.unknown_property(OPTIONS));
        }
        let words = cursor.remaining_args();
        if words.is_empty() {
            return Err(cursor
                .arg_err()
                .help("an expression follows: expr type() == 'A'"));
        }
        let condition = Expression::of_tokens(&words, &Scope::default(), setup.warnings)?;
        setup
            .warnings
            .extend(condition.warn_unless_condition(&words));
        conditions.push(condition);
    }
    cursor.next_once()?;
    setup.block.filters.push(Arc::new(Conditions(conditions)));
    setup.push(View {
        name: name.text().into(),
    });
    Ok(())
}

/// The conditions of a view; all must hold.
struct Conditions(Vec<Expression>);

impl Filter for Conditions {
    fn accepts(&self, query: &Query<'_>) -> bool {
        let context = Context {
            query,
            group: None,
            variables: &[],
        };
        self.0.iter().all(|condition| condition.is_true(&context))
    }
}

/// See the module.
struct View {
    name: Arc<str>,
}

impl Plugin for View {
    fn name(&self) -> &'static str {
        "view"
    }

    fn serve(&self, query: &Query<'_>, next: Next<'_>) -> Reply {
        next.serve(query)
    }

    fn metadata(&self, _: &Query<'_>, label: &str) -> Option<Arc<str>> {
        (label == "view/name").then(|| self.name.clone())
    }
}

#[cfg(test)]
mod tests;
