//! The event log: what happened, to whom, and because of what.

use bevy_ecs::prelude::Resource;

use crate::calendar::Month;

/// Position of an event in the log; never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId(pub u32);

/// One thing that happened.
#[derive(Clone, Debug)]
pub struct Event {
    /// Id, in order of happening.
    pub id: EventId,
    /// When.
    pub month: Month,
    /// What kind of thing, a word: `rule_announced`, `application_denied`, ….
    pub kind: &'static str,
    /// Id of who did it or to whom it happened.
    pub subject: String,
    /// Id of what it was done to, with, or by; may be empty.
    pub object: String,
    /// How much.
    pub quantity: f64,
    /// Unit of the quantity.
    pub unit: &'static str,
    /// The event without which this one would have been smaller or absent.
    pub cause: Option<EventId>,
    /// Events that stand behind the cause: without it, they would have brought this about, more or less.
    pub besides: Vec<EventId>,
    /// One sentence for a person.
    pub text: String,
}

impl Event {
    /// The ids of what stands behind the cause, spaces between them.
    #[must_use]
    pub fn besides_text(&self) -> String {
        let ids: Vec<String> = self.besides.iter().map(|EventId(id)| id.to_string()).collect();
        ids.join(" ")
    }
}

/// The log of a run. Ids are given whether or not the log is kept, so that
/// recording events never changes a result.
#[derive(Resource, Clone, Debug)]
pub struct Chronicle {
    keep: bool,
    next: u32,
    events: Vec<Event>,
}

impl Chronicle {
    /// A log that keeps its events, or only counts them.
    #[must_use]
    pub const fn new(keep: bool) -> Self {
        Self { keep, next: 0, events: Vec::new() }
    }

    /// Logs an event; `text` is only made when the log is kept.
    pub fn log(
        &mut self,
        month: Month,
        kind: &'static str,
        (subject, object): (&str, &str),
        (quantity, unit): (f64, &'static str),
        cause: Option<EventId>,
        text: impl FnOnce() -> String,
    ) -> EventId {
        self.log_besides(month, kind, (subject, object), (quantity, unit), cause, Vec::new, text)
    }

    /// Logs an event with what stands behind its cause; `besides` and `text` are only made when the log is kept.
    pub fn log_besides(
        &mut self,
        month: Month,
        kind: &'static str,
        (subject, object): (&str, &str),
        (quantity, unit): (f64, &'static str),
        cause: Option<EventId>,
        besides: impl FnOnce() -> Vec<EventId>,
        text: impl FnOnce() -> String,
    ) -> EventId {
        let id = EventId(self.next);
        self.next += 1;
        if self.keep {
            self.events.push(Event {
                id,
                month,
                kind,
                subject: subject.to_owned(),
                object: object.to_owned(),
                quantity,
                unit,
                cause,
                besides: besides(),
                text: text(),
            });
        }
        id
    }

    /// Every event so far, in order.
    #[must_use]
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// Every event, in order, out of a log that is done with.
    #[must_use]
    pub fn into_events(self) -> Vec<Event> {
        self.events
    }
}
